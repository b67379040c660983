package io.agenticd.agentic.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Places, watches and ends calls.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class CallServiceGrpc {

  private CallServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "agentic.v1.CallService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.agenticd.agentic.v1.PlaceCallRequest,
      io.agenticd.agentic.v1.PlaceCallResponse> getPlaceCallMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "PlaceCall",
      requestType = io.agenticd.agentic.v1.PlaceCallRequest.class,
      responseType = io.agenticd.agentic.v1.PlaceCallResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agenticd.agentic.v1.PlaceCallRequest,
      io.agenticd.agentic.v1.PlaceCallResponse> getPlaceCallMethod() {
    io.grpc.MethodDescriptor<io.agenticd.agentic.v1.PlaceCallRequest, io.agenticd.agentic.v1.PlaceCallResponse> getPlaceCallMethod;
    if ((getPlaceCallMethod = CallServiceGrpc.getPlaceCallMethod) == null) {
      synchronized (CallServiceGrpc.class) {
        if ((getPlaceCallMethod = CallServiceGrpc.getPlaceCallMethod) == null) {
          CallServiceGrpc.getPlaceCallMethod = getPlaceCallMethod =
              io.grpc.MethodDescriptor.<io.agenticd.agentic.v1.PlaceCallRequest, io.agenticd.agentic.v1.PlaceCallResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "PlaceCall"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.PlaceCallRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.PlaceCallResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CallServiceMethodDescriptorSupplier("PlaceCall"))
              .build();
        }
      }
    }
    return getPlaceCallMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agenticd.agentic.v1.HangUpRequest,
      io.agenticd.agentic.v1.HangUpResponse> getHangUpMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "HangUp",
      requestType = io.agenticd.agentic.v1.HangUpRequest.class,
      responseType = io.agenticd.agentic.v1.HangUpResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agenticd.agentic.v1.HangUpRequest,
      io.agenticd.agentic.v1.HangUpResponse> getHangUpMethod() {
    io.grpc.MethodDescriptor<io.agenticd.agentic.v1.HangUpRequest, io.agenticd.agentic.v1.HangUpResponse> getHangUpMethod;
    if ((getHangUpMethod = CallServiceGrpc.getHangUpMethod) == null) {
      synchronized (CallServiceGrpc.class) {
        if ((getHangUpMethod = CallServiceGrpc.getHangUpMethod) == null) {
          CallServiceGrpc.getHangUpMethod = getHangUpMethod =
              io.grpc.MethodDescriptor.<io.agenticd.agentic.v1.HangUpRequest, io.agenticd.agentic.v1.HangUpResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "HangUp"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.HangUpRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.HangUpResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CallServiceMethodDescriptorSupplier("HangUp"))
              .build();
        }
      }
    }
    return getHangUpMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agenticd.agentic.v1.GetCallRequest,
      io.agenticd.agentic.v1.GetCallResponse> getGetCallMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetCall",
      requestType = io.agenticd.agentic.v1.GetCallRequest.class,
      responseType = io.agenticd.agentic.v1.GetCallResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agenticd.agentic.v1.GetCallRequest,
      io.agenticd.agentic.v1.GetCallResponse> getGetCallMethod() {
    io.grpc.MethodDescriptor<io.agenticd.agentic.v1.GetCallRequest, io.agenticd.agentic.v1.GetCallResponse> getGetCallMethod;
    if ((getGetCallMethod = CallServiceGrpc.getGetCallMethod) == null) {
      synchronized (CallServiceGrpc.class) {
        if ((getGetCallMethod = CallServiceGrpc.getGetCallMethod) == null) {
          CallServiceGrpc.getGetCallMethod = getGetCallMethod =
              io.grpc.MethodDescriptor.<io.agenticd.agentic.v1.GetCallRequest, io.agenticd.agentic.v1.GetCallResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetCall"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.GetCallRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.GetCallResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CallServiceMethodDescriptorSupplier("GetCall"))
              .build();
        }
      }
    }
    return getGetCallMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agenticd.agentic.v1.ListCallsRequest,
      io.agenticd.agentic.v1.ListCallsResponse> getListCallsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListCalls",
      requestType = io.agenticd.agentic.v1.ListCallsRequest.class,
      responseType = io.agenticd.agentic.v1.ListCallsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agenticd.agentic.v1.ListCallsRequest,
      io.agenticd.agentic.v1.ListCallsResponse> getListCallsMethod() {
    io.grpc.MethodDescriptor<io.agenticd.agentic.v1.ListCallsRequest, io.agenticd.agentic.v1.ListCallsResponse> getListCallsMethod;
    if ((getListCallsMethod = CallServiceGrpc.getListCallsMethod) == null) {
      synchronized (CallServiceGrpc.class) {
        if ((getListCallsMethod = CallServiceGrpc.getListCallsMethod) == null) {
          CallServiceGrpc.getListCallsMethod = getListCallsMethod =
              io.grpc.MethodDescriptor.<io.agenticd.agentic.v1.ListCallsRequest, io.agenticd.agentic.v1.ListCallsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListCalls"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.ListCallsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.ListCallsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CallServiceMethodDescriptorSupplier("ListCalls"))
              .build();
        }
      }
    }
    return getListCallsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agenticd.agentic.v1.GetTranscriptRequest,
      io.agenticd.agentic.v1.GetTranscriptResponse> getGetTranscriptMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetTranscript",
      requestType = io.agenticd.agentic.v1.GetTranscriptRequest.class,
      responseType = io.agenticd.agentic.v1.GetTranscriptResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agenticd.agentic.v1.GetTranscriptRequest,
      io.agenticd.agentic.v1.GetTranscriptResponse> getGetTranscriptMethod() {
    io.grpc.MethodDescriptor<io.agenticd.agentic.v1.GetTranscriptRequest, io.agenticd.agentic.v1.GetTranscriptResponse> getGetTranscriptMethod;
    if ((getGetTranscriptMethod = CallServiceGrpc.getGetTranscriptMethod) == null) {
      synchronized (CallServiceGrpc.class) {
        if ((getGetTranscriptMethod = CallServiceGrpc.getGetTranscriptMethod) == null) {
          CallServiceGrpc.getGetTranscriptMethod = getGetTranscriptMethod =
              io.grpc.MethodDescriptor.<io.agenticd.agentic.v1.GetTranscriptRequest, io.agenticd.agentic.v1.GetTranscriptResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetTranscript"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.GetTranscriptRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.GetTranscriptResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CallServiceMethodDescriptorSupplier("GetTranscript"))
              .build();
        }
      }
    }
    return getGetTranscriptMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agenticd.agentic.v1.StreamEventsRequest,
      io.agenticd.agentic.v1.StreamEventsResponse> getStreamEventsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "StreamEvents",
      requestType = io.agenticd.agentic.v1.StreamEventsRequest.class,
      responseType = io.agenticd.agentic.v1.StreamEventsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.agenticd.agentic.v1.StreamEventsRequest,
      io.agenticd.agentic.v1.StreamEventsResponse> getStreamEventsMethod() {
    io.grpc.MethodDescriptor<io.agenticd.agentic.v1.StreamEventsRequest, io.agenticd.agentic.v1.StreamEventsResponse> getStreamEventsMethod;
    if ((getStreamEventsMethod = CallServiceGrpc.getStreamEventsMethod) == null) {
      synchronized (CallServiceGrpc.class) {
        if ((getStreamEventsMethod = CallServiceGrpc.getStreamEventsMethod) == null) {
          CallServiceGrpc.getStreamEventsMethod = getStreamEventsMethod =
              io.grpc.MethodDescriptor.<io.agenticd.agentic.v1.StreamEventsRequest, io.agenticd.agentic.v1.StreamEventsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "StreamEvents"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.StreamEventsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.StreamEventsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new CallServiceMethodDescriptorSupplier("StreamEvents"))
              .build();
        }
      }
    }
    return getStreamEventsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static CallServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CallServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CallServiceStub>() {
        @java.lang.Override
        public CallServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CallServiceStub(channel, callOptions);
        }
      };
    return CallServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static CallServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CallServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CallServiceBlockingV2Stub>() {
        @java.lang.Override
        public CallServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CallServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return CallServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static CallServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CallServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CallServiceBlockingStub>() {
        @java.lang.Override
        public CallServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CallServiceBlockingStub(channel, callOptions);
        }
      };
    return CallServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static CallServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<CallServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<CallServiceFutureStub>() {
        @java.lang.Override
        public CallServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new CallServiceFutureStub(channel, callOptions);
        }
      };
    return CallServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Places, watches and ends calls.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Accepts a call that an agent shall make. It answers as soon as the call is durably QUEUED; what comes of it is told
     * by StreamEvents: follow with after_revision = the answer's revision. The call is dialled at most once, whatever
     * crashes, times out or is retried.
     * Errors: INVALID_ARGUMENT, REQUEST_ID_REUSED, TOO_MANY_CALLS, DRAINING, STORE_DOWN.
     * </pre>
     */
    default void placeCall(io.agenticd.agentic.v1.PlaceCallRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.PlaceCallResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getPlaceCallMethod(), responseObserver);
    }

    /**
     * <pre>
     * Ends a call, in whatever state it is. It answers when the order is durable; the daemon then carries it out, also
     * through a crash. Idempotent: on a call that has ended the answer is OK and shows the call as it ended.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    default void hangUp(io.agenticd.agentic.v1.HangUpRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.HangUpResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getHangUpMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows one call.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    default void getCall(io.agenticd.agentic.v1.GetCallRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.GetCallResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetCallMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists calls, newest first.
     * Errors: INVALID_ARGUMENT, STORE_DOWN.
     * </pre>
     */
    default void listCalls(io.agenticd.agentic.v1.ListCallsRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.ListCallsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListCallsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows what was said in a call so far, in the order of the conversation.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    default void getTranscript(io.agenticd.agentic.v1.GetTranscriptRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.GetTranscriptResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetTranscriptMethod(), responseObserver);
    }

    /**
     * <pre>
     * Follows the event log: first what lies after the cursor, then what happens, without a seam. The first frame is
     * always "opened". A stream that is filtered on calls ends with OK after the call_closed of all of them; any other
     * ends only with an error, and can be resumed by after_revision = the last revision that the client has stored.
     * Errors before "opened": INVALID_ARGUMENT (an unknown name in types, a cursor in the future), CALL_NOT_FOUND (an
     * unknown id in call_ids), CURSOR_COMPACTED, LOG_REPLACED. Later: CURSOR_COMPACTED, CONSUMER_STALLED, DRAINING,
     * STORE_DOWN.
     * </pre>
     */
    default void streamEvents(io.agenticd.agentic.v1.StreamEventsRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.StreamEventsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getStreamEventsMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service CallService.
   * <pre>
   * Places, watches and ends calls.
   * </pre>
   */
  public static abstract class CallServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return CallServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service CallService.
   * <pre>
   * Places, watches and ends calls.
   * </pre>
   */
  public static final class CallServiceStub
      extends io.grpc.stub.AbstractAsyncStub<CallServiceStub> {
    private CallServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CallServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CallServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Accepts a call that an agent shall make. It answers as soon as the call is durably QUEUED; what comes of it is told
     * by StreamEvents: follow with after_revision = the answer's revision. The call is dialled at most once, whatever
     * crashes, times out or is retried.
     * Errors: INVALID_ARGUMENT, REQUEST_ID_REUSED, TOO_MANY_CALLS, DRAINING, STORE_DOWN.
     * </pre>
     */
    public void placeCall(io.agenticd.agentic.v1.PlaceCallRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.PlaceCallResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getPlaceCallMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Ends a call, in whatever state it is. It answers when the order is durable; the daemon then carries it out, also
     * through a crash. Idempotent: on a call that has ended the answer is OK and shows the call as it ended.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public void hangUp(io.agenticd.agentic.v1.HangUpRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.HangUpResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getHangUpMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows one call.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public void getCall(io.agenticd.agentic.v1.GetCallRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.GetCallResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetCallMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists calls, newest first.
     * Errors: INVALID_ARGUMENT, STORE_DOWN.
     * </pre>
     */
    public void listCalls(io.agenticd.agentic.v1.ListCallsRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.ListCallsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListCallsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows what was said in a call so far, in the order of the conversation.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public void getTranscript(io.agenticd.agentic.v1.GetTranscriptRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.GetTranscriptResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetTranscriptMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Follows the event log: first what lies after the cursor, then what happens, without a seam. The first frame is
     * always "opened". A stream that is filtered on calls ends with OK after the call_closed of all of them; any other
     * ends only with an error, and can be resumed by after_revision = the last revision that the client has stored.
     * Errors before "opened": INVALID_ARGUMENT (an unknown name in types, a cursor in the future), CALL_NOT_FOUND (an
     * unknown id in call_ids), CURSOR_COMPACTED, LOG_REPLACED. Later: CURSOR_COMPACTED, CONSUMER_STALLED, DRAINING,
     * STORE_DOWN.
     * </pre>
     */
    public void streamEvents(io.agenticd.agentic.v1.StreamEventsRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.StreamEventsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getStreamEventsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service CallService.
   * <pre>
   * Places, watches and ends calls.
   * </pre>
   */
  public static final class CallServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<CallServiceBlockingV2Stub> {
    private CallServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CallServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CallServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Accepts a call that an agent shall make. It answers as soon as the call is durably QUEUED; what comes of it is told
     * by StreamEvents: follow with after_revision = the answer's revision. The call is dialled at most once, whatever
     * crashes, times out or is retried.
     * Errors: INVALID_ARGUMENT, REQUEST_ID_REUSED, TOO_MANY_CALLS, DRAINING, STORE_DOWN.
     * </pre>
     */
    public io.agenticd.agentic.v1.PlaceCallResponse placeCall(io.agenticd.agentic.v1.PlaceCallRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getPlaceCallMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Ends a call, in whatever state it is. It answers when the order is durable; the daemon then carries it out, also
     * through a crash. Idempotent: on a call that has ended the answer is OK and shows the call as it ended.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public io.agenticd.agentic.v1.HangUpResponse hangUp(io.agenticd.agentic.v1.HangUpRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getHangUpMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows one call.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public io.agenticd.agentic.v1.GetCallResponse getCall(io.agenticd.agentic.v1.GetCallRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetCallMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists calls, newest first.
     * Errors: INVALID_ARGUMENT, STORE_DOWN.
     * </pre>
     */
    public io.agenticd.agentic.v1.ListCallsResponse listCalls(io.agenticd.agentic.v1.ListCallsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListCallsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows what was said in a call so far, in the order of the conversation.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public io.agenticd.agentic.v1.GetTranscriptResponse getTranscript(io.agenticd.agentic.v1.GetTranscriptRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetTranscriptMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Follows the event log: first what lies after the cursor, then what happens, without a seam. The first frame is
     * always "opened". A stream that is filtered on calls ends with OK after the call_closed of all of them; any other
     * ends only with an error, and can be resumed by after_revision = the last revision that the client has stored.
     * Errors before "opened": INVALID_ARGUMENT (an unknown name in types, a cursor in the future), CALL_NOT_FOUND (an
     * unknown id in call_ids), CURSOR_COMPACTED, LOG_REPLACED. Later: CURSOR_COMPACTED, CONSUMER_STALLED, DRAINING,
     * STORE_DOWN.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.agenticd.agentic.v1.StreamEventsResponse>
        streamEvents(io.agenticd.agentic.v1.StreamEventsRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getStreamEventsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service CallService.
   * <pre>
   * Places, watches and ends calls.
   * </pre>
   */
  public static final class CallServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<CallServiceBlockingStub> {
    private CallServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CallServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CallServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Accepts a call that an agent shall make. It answers as soon as the call is durably QUEUED; what comes of it is told
     * by StreamEvents: follow with after_revision = the answer's revision. The call is dialled at most once, whatever
     * crashes, times out or is retried.
     * Errors: INVALID_ARGUMENT, REQUEST_ID_REUSED, TOO_MANY_CALLS, DRAINING, STORE_DOWN.
     * </pre>
     */
    public io.agenticd.agentic.v1.PlaceCallResponse placeCall(io.agenticd.agentic.v1.PlaceCallRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getPlaceCallMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Ends a call, in whatever state it is. It answers when the order is durable; the daemon then carries it out, also
     * through a crash. Idempotent: on a call that has ended the answer is OK and shows the call as it ended.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public io.agenticd.agentic.v1.HangUpResponse hangUp(io.agenticd.agentic.v1.HangUpRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getHangUpMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows one call.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public io.agenticd.agentic.v1.GetCallResponse getCall(io.agenticd.agentic.v1.GetCallRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetCallMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists calls, newest first.
     * Errors: INVALID_ARGUMENT, STORE_DOWN.
     * </pre>
     */
    public io.agenticd.agentic.v1.ListCallsResponse listCalls(io.agenticd.agentic.v1.ListCallsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListCallsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows what was said in a call so far, in the order of the conversation.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public io.agenticd.agentic.v1.GetTranscriptResponse getTranscript(io.agenticd.agentic.v1.GetTranscriptRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetTranscriptMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Follows the event log: first what lies after the cursor, then what happens, without a seam. The first frame is
     * always "opened". A stream that is filtered on calls ends with OK after the call_closed of all of them; any other
     * ends only with an error, and can be resumed by after_revision = the last revision that the client has stored.
     * Errors before "opened": INVALID_ARGUMENT (an unknown name in types, a cursor in the future), CALL_NOT_FOUND (an
     * unknown id in call_ids), CURSOR_COMPACTED, LOG_REPLACED. Later: CURSOR_COMPACTED, CONSUMER_STALLED, DRAINING,
     * STORE_DOWN.
     * </pre>
     */
    public java.util.Iterator<io.agenticd.agentic.v1.StreamEventsResponse> streamEvents(
        io.agenticd.agentic.v1.StreamEventsRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getStreamEventsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service CallService.
   * <pre>
   * Places, watches and ends calls.
   * </pre>
   */
  public static final class CallServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<CallServiceFutureStub> {
    private CallServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected CallServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new CallServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Accepts a call that an agent shall make. It answers as soon as the call is durably QUEUED; what comes of it is told
     * by StreamEvents: follow with after_revision = the answer's revision. The call is dialled at most once, whatever
     * crashes, times out or is retried.
     * Errors: INVALID_ARGUMENT, REQUEST_ID_REUSED, TOO_MANY_CALLS, DRAINING, STORE_DOWN.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agenticd.agentic.v1.PlaceCallResponse> placeCall(
        io.agenticd.agentic.v1.PlaceCallRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getPlaceCallMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Ends a call, in whatever state it is. It answers when the order is durable; the daemon then carries it out, also
     * through a crash. Idempotent: on a call that has ended the answer is OK and shows the call as it ended.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agenticd.agentic.v1.HangUpResponse> hangUp(
        io.agenticd.agentic.v1.HangUpRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getHangUpMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows one call.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agenticd.agentic.v1.GetCallResponse> getCall(
        io.agenticd.agentic.v1.GetCallRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetCallMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists calls, newest first.
     * Errors: INVALID_ARGUMENT, STORE_DOWN.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agenticd.agentic.v1.ListCallsResponse> listCalls(
        io.agenticd.agentic.v1.ListCallsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListCallsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows what was said in a call so far, in the order of the conversation.
     * Errors: INVALID_ARGUMENT, CALL_NOT_FOUND, STORE_DOWN.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agenticd.agentic.v1.GetTranscriptResponse> getTranscript(
        io.agenticd.agentic.v1.GetTranscriptRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetTranscriptMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_PLACE_CALL = 0;
  private static final int METHODID_HANG_UP = 1;
  private static final int METHODID_GET_CALL = 2;
  private static final int METHODID_LIST_CALLS = 3;
  private static final int METHODID_GET_TRANSCRIPT = 4;
  private static final int METHODID_STREAM_EVENTS = 5;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_PLACE_CALL:
          serviceImpl.placeCall((io.agenticd.agentic.v1.PlaceCallRequest) request,
              (io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.PlaceCallResponse>) responseObserver);
          break;
        case METHODID_HANG_UP:
          serviceImpl.hangUp((io.agenticd.agentic.v1.HangUpRequest) request,
              (io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.HangUpResponse>) responseObserver);
          break;
        case METHODID_GET_CALL:
          serviceImpl.getCall((io.agenticd.agentic.v1.GetCallRequest) request,
              (io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.GetCallResponse>) responseObserver);
          break;
        case METHODID_LIST_CALLS:
          serviceImpl.listCalls((io.agenticd.agentic.v1.ListCallsRequest) request,
              (io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.ListCallsResponse>) responseObserver);
          break;
        case METHODID_GET_TRANSCRIPT:
          serviceImpl.getTranscript((io.agenticd.agentic.v1.GetTranscriptRequest) request,
              (io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.GetTranscriptResponse>) responseObserver);
          break;
        case METHODID_STREAM_EVENTS:
          serviceImpl.streamEvents((io.agenticd.agentic.v1.StreamEventsRequest) request,
              (io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.StreamEventsResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getPlaceCallMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agenticd.agentic.v1.PlaceCallRequest,
              io.agenticd.agentic.v1.PlaceCallResponse>(
                service, METHODID_PLACE_CALL)))
        .addMethod(
          getHangUpMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agenticd.agentic.v1.HangUpRequest,
              io.agenticd.agentic.v1.HangUpResponse>(
                service, METHODID_HANG_UP)))
        .addMethod(
          getGetCallMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agenticd.agentic.v1.GetCallRequest,
              io.agenticd.agentic.v1.GetCallResponse>(
                service, METHODID_GET_CALL)))
        .addMethod(
          getListCallsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agenticd.agentic.v1.ListCallsRequest,
              io.agenticd.agentic.v1.ListCallsResponse>(
                service, METHODID_LIST_CALLS)))
        .addMethod(
          getGetTranscriptMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agenticd.agentic.v1.GetTranscriptRequest,
              io.agenticd.agentic.v1.GetTranscriptResponse>(
                service, METHODID_GET_TRANSCRIPT)))
        .addMethod(
          getStreamEventsMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.agenticd.agentic.v1.StreamEventsRequest,
              io.agenticd.agentic.v1.StreamEventsResponse>(
                service, METHODID_STREAM_EVENTS)))
        .build();
  }

  private static abstract class CallServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    CallServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.agenticd.agentic.v1.CallServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("CallService");
    }
  }

  private static final class CallServiceFileDescriptorSupplier
      extends CallServiceBaseDescriptorSupplier {
    CallServiceFileDescriptorSupplier() {}
  }

  private static final class CallServiceMethodDescriptorSupplier
      extends CallServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    CallServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (CallServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new CallServiceFileDescriptorSupplier())
              .addMethod(getPlaceCallMethod())
              .addMethod(getHangUpMethod())
              .addMethod(getGetCallMethod())
              .addMethod(getListCallsMethod())
              .addMethod(getGetTranscriptMethod())
              .addMethod(getStreamEventsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
