package io.agenticd.agentic.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * Shows the daemon itself, takes it out of service, and copies what it has recorded.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class NodeServiceGrpc {

  private NodeServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "agentic.v1.NodeService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.agenticd.agentic.v1.GetStatusRequest,
      io.agenticd.agentic.v1.GetStatusResponse> getGetStatusMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetStatus",
      requestType = io.agenticd.agentic.v1.GetStatusRequest.class,
      responseType = io.agenticd.agentic.v1.GetStatusResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agenticd.agentic.v1.GetStatusRequest,
      io.agenticd.agentic.v1.GetStatusResponse> getGetStatusMethod() {
    io.grpc.MethodDescriptor<io.agenticd.agentic.v1.GetStatusRequest, io.agenticd.agentic.v1.GetStatusResponse> getGetStatusMethod;
    if ((getGetStatusMethod = NodeServiceGrpc.getGetStatusMethod) == null) {
      synchronized (NodeServiceGrpc.class) {
        if ((getGetStatusMethod = NodeServiceGrpc.getGetStatusMethod) == null) {
          NodeServiceGrpc.getGetStatusMethod = getGetStatusMethod =
              io.grpc.MethodDescriptor.<io.agenticd.agentic.v1.GetStatusRequest, io.agenticd.agentic.v1.GetStatusResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetStatus"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.GetStatusRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.GetStatusResponse.getDefaultInstance()))
              .setSchemaDescriptor(new NodeServiceMethodDescriptorSupplier("GetStatus"))
              .build();
        }
      }
    }
    return getGetStatusMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agenticd.agentic.v1.DrainRequest,
      io.agenticd.agentic.v1.DrainResponse> getDrainMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Drain",
      requestType = io.agenticd.agentic.v1.DrainRequest.class,
      responseType = io.agenticd.agentic.v1.DrainResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agenticd.agentic.v1.DrainRequest,
      io.agenticd.agentic.v1.DrainResponse> getDrainMethod() {
    io.grpc.MethodDescriptor<io.agenticd.agentic.v1.DrainRequest, io.agenticd.agentic.v1.DrainResponse> getDrainMethod;
    if ((getDrainMethod = NodeServiceGrpc.getDrainMethod) == null) {
      synchronized (NodeServiceGrpc.class) {
        if ((getDrainMethod = NodeServiceGrpc.getDrainMethod) == null) {
          NodeServiceGrpc.getDrainMethod = getDrainMethod =
              io.grpc.MethodDescriptor.<io.agenticd.agentic.v1.DrainRequest, io.agenticd.agentic.v1.DrainResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Drain"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.DrainRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.DrainResponse.getDefaultInstance()))
              .setSchemaDescriptor(new NodeServiceMethodDescriptorSupplier("Drain"))
              .build();
        }
      }
    }
    return getDrainMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agenticd.agentic.v1.BackupRequest,
      io.agenticd.agentic.v1.BackupResponse> getBackupMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Backup",
      requestType = io.agenticd.agentic.v1.BackupRequest.class,
      responseType = io.agenticd.agentic.v1.BackupResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.agenticd.agentic.v1.BackupRequest,
      io.agenticd.agentic.v1.BackupResponse> getBackupMethod() {
    io.grpc.MethodDescriptor<io.agenticd.agentic.v1.BackupRequest, io.agenticd.agentic.v1.BackupResponse> getBackupMethod;
    if ((getBackupMethod = NodeServiceGrpc.getBackupMethod) == null) {
      synchronized (NodeServiceGrpc.class) {
        if ((getBackupMethod = NodeServiceGrpc.getBackupMethod) == null) {
          NodeServiceGrpc.getBackupMethod = getBackupMethod =
              io.grpc.MethodDescriptor.<io.agenticd.agentic.v1.BackupRequest, io.agenticd.agentic.v1.BackupResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Backup"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.BackupRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agenticd.agentic.v1.BackupResponse.getDefaultInstance()))
              .setSchemaDescriptor(new NodeServiceMethodDescriptorSupplier("Backup"))
              .build();
        }
      }
    }
    return getBackupMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static NodeServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<NodeServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<NodeServiceStub>() {
        @java.lang.Override
        public NodeServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new NodeServiceStub(channel, callOptions);
        }
      };
    return NodeServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static NodeServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<NodeServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<NodeServiceBlockingV2Stub>() {
        @java.lang.Override
        public NodeServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new NodeServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return NodeServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static NodeServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<NodeServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<NodeServiceBlockingStub>() {
        @java.lang.Override
        public NodeServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new NodeServiceBlockingStub(channel, callOptions);
        }
      };
    return NodeServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static NodeServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<NodeServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<NodeServiceFutureStub>() {
        @java.lang.Override
        public NodeServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new NodeServiceFutureStub(channel, callOptions);
        }
      };
    return NodeServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * Shows the daemon itself, takes it out of service, and copies what it has recorded.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Shows what the daemon is, what it does and how its peers answered last. Nothing is asked of the peers for it.
     * </pre>
     */
    default void getStatus(io.agenticd.agentic.v1.GetStatusRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.GetStatusResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetStatusMethod(), responseObserver);
    }

    /**
     * <pre>
     * Takes the daemon out of service: from now on it takes no new calls, inbound or outbound, and dials nobody that waits
     * for their turn; PlaceCall answers UNAVAILABLE with DRAINING, and health says NOT_SERVING. Live calls go on to their
     * own ends. The daemon does not exit, and a restart of it ends the drain. Idempotent.
     * </pre>
     */
    default void drain(io.agenticd.agentic.v1.DrainRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.DrainResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDrainMethod(), responseObserver);
    }

    /**
     * <pre>
     * Streams a copy of the whole event log, with its calls, as of one revision, while calls go on: first `opened`, then the
     * bytes of the file in their order, as many as `opened` says. To be put in place by `agenticd restore`. It holds
     * telephone numbers and all that was said. The copy is made on the daemon's disk first, beside the log, and needs as much
     * room there. UNAVAILABLE with STORE_DOWN when it cannot be made; ABORTED with CONSUMER_STALLED when it is not read.
     * </pre>
     */
    default void backup(io.agenticd.agentic.v1.BackupRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.BackupResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getBackupMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service NodeService.
   * <pre>
   * Shows the daemon itself, takes it out of service, and copies what it has recorded.
   * </pre>
   */
  public static abstract class NodeServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return NodeServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service NodeService.
   * <pre>
   * Shows the daemon itself, takes it out of service, and copies what it has recorded.
   * </pre>
   */
  public static final class NodeServiceStub
      extends io.grpc.stub.AbstractAsyncStub<NodeServiceStub> {
    private NodeServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected NodeServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new NodeServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows what the daemon is, what it does and how its peers answered last. Nothing is asked of the peers for it.
     * </pre>
     */
    public void getStatus(io.agenticd.agentic.v1.GetStatusRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.GetStatusResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetStatusMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Takes the daemon out of service: from now on it takes no new calls, inbound or outbound, and dials nobody that waits
     * for their turn; PlaceCall answers UNAVAILABLE with DRAINING, and health says NOT_SERVING. Live calls go on to their
     * own ends. The daemon does not exit, and a restart of it ends the drain. Idempotent.
     * </pre>
     */
    public void drain(io.agenticd.agentic.v1.DrainRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.DrainResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDrainMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Streams a copy of the whole event log, with its calls, as of one revision, while calls go on: first `opened`, then the
     * bytes of the file in their order, as many as `opened` says. To be put in place by `agenticd restore`. It holds
     * telephone numbers and all that was said. The copy is made on the daemon's disk first, beside the log, and needs as much
     * room there. UNAVAILABLE with STORE_DOWN when it cannot be made; ABORTED with CONSUMER_STALLED when it is not read.
     * </pre>
     */
    public void backup(io.agenticd.agentic.v1.BackupRequest request,
        io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.BackupResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getBackupMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service NodeService.
   * <pre>
   * Shows the daemon itself, takes it out of service, and copies what it has recorded.
   * </pre>
   */
  public static final class NodeServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<NodeServiceBlockingV2Stub> {
    private NodeServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected NodeServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new NodeServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows what the daemon is, what it does and how its peers answered last. Nothing is asked of the peers for it.
     * </pre>
     */
    public io.agenticd.agentic.v1.GetStatusResponse getStatus(io.agenticd.agentic.v1.GetStatusRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetStatusMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Takes the daemon out of service: from now on it takes no new calls, inbound or outbound, and dials nobody that waits
     * for their turn; PlaceCall answers UNAVAILABLE with DRAINING, and health says NOT_SERVING. Live calls go on to their
     * own ends. The daemon does not exit, and a restart of it ends the drain. Idempotent.
     * </pre>
     */
    public io.agenticd.agentic.v1.DrainResponse drain(io.agenticd.agentic.v1.DrainRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDrainMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Streams a copy of the whole event log, with its calls, as of one revision, while calls go on: first `opened`, then the
     * bytes of the file in their order, as many as `opened` says. To be put in place by `agenticd restore`. It holds
     * telephone numbers and all that was said. The copy is made on the daemon's disk first, beside the log, and needs as much
     * room there. UNAVAILABLE with STORE_DOWN when it cannot be made; ABORTED with CONSUMER_STALLED when it is not read.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.agenticd.agentic.v1.BackupResponse>
        backup(io.agenticd.agentic.v1.BackupRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getBackupMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service NodeService.
   * <pre>
   * Shows the daemon itself, takes it out of service, and copies what it has recorded.
   * </pre>
   */
  public static final class NodeServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<NodeServiceBlockingStub> {
    private NodeServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected NodeServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new NodeServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows what the daemon is, what it does and how its peers answered last. Nothing is asked of the peers for it.
     * </pre>
     */
    public io.agenticd.agentic.v1.GetStatusResponse getStatus(io.agenticd.agentic.v1.GetStatusRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetStatusMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Takes the daemon out of service: from now on it takes no new calls, inbound or outbound, and dials nobody that waits
     * for their turn; PlaceCall answers UNAVAILABLE with DRAINING, and health says NOT_SERVING. Live calls go on to their
     * own ends. The daemon does not exit, and a restart of it ends the drain. Idempotent.
     * </pre>
     */
    public io.agenticd.agentic.v1.DrainResponse drain(io.agenticd.agentic.v1.DrainRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDrainMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Streams a copy of the whole event log, with its calls, as of one revision, while calls go on: first `opened`, then the
     * bytes of the file in their order, as many as `opened` says. To be put in place by `agenticd restore`. It holds
     * telephone numbers and all that was said. The copy is made on the daemon's disk first, beside the log, and needs as much
     * room there. UNAVAILABLE with STORE_DOWN when it cannot be made; ABORTED with CONSUMER_STALLED when it is not read.
     * </pre>
     */
    public java.util.Iterator<io.agenticd.agentic.v1.BackupResponse> backup(
        io.agenticd.agentic.v1.BackupRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getBackupMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service NodeService.
   * <pre>
   * Shows the daemon itself, takes it out of service, and copies what it has recorded.
   * </pre>
   */
  public static final class NodeServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<NodeServiceFutureStub> {
    private NodeServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected NodeServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new NodeServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Shows what the daemon is, what it does and how its peers answered last. Nothing is asked of the peers for it.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agenticd.agentic.v1.GetStatusResponse> getStatus(
        io.agenticd.agentic.v1.GetStatusRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetStatusMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Takes the daemon out of service: from now on it takes no new calls, inbound or outbound, and dials nobody that waits
     * for their turn; PlaceCall answers UNAVAILABLE with DRAINING, and health says NOT_SERVING. Live calls go on to their
     * own ends. The daemon does not exit, and a restart of it ends the drain. Idempotent.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agenticd.agentic.v1.DrainResponse> drain(
        io.agenticd.agentic.v1.DrainRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDrainMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_GET_STATUS = 0;
  private static final int METHODID_DRAIN = 1;
  private static final int METHODID_BACKUP = 2;

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
        case METHODID_GET_STATUS:
          serviceImpl.getStatus((io.agenticd.agentic.v1.GetStatusRequest) request,
              (io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.GetStatusResponse>) responseObserver);
          break;
        case METHODID_DRAIN:
          serviceImpl.drain((io.agenticd.agentic.v1.DrainRequest) request,
              (io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.DrainResponse>) responseObserver);
          break;
        case METHODID_BACKUP:
          serviceImpl.backup((io.agenticd.agentic.v1.BackupRequest) request,
              (io.grpc.stub.StreamObserver<io.agenticd.agentic.v1.BackupResponse>) responseObserver);
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
          getGetStatusMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agenticd.agentic.v1.GetStatusRequest,
              io.agenticd.agentic.v1.GetStatusResponse>(
                service, METHODID_GET_STATUS)))
        .addMethod(
          getDrainMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agenticd.agentic.v1.DrainRequest,
              io.agenticd.agentic.v1.DrainResponse>(
                service, METHODID_DRAIN)))
        .addMethod(
          getBackupMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.agenticd.agentic.v1.BackupRequest,
              io.agenticd.agentic.v1.BackupResponse>(
                service, METHODID_BACKUP)))
        .build();
  }

  private static abstract class NodeServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    NodeServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.agenticd.agentic.v1.NodeServiceProto.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("NodeService");
    }
  }

  private static final class NodeServiceFileDescriptorSupplier
      extends NodeServiceBaseDescriptorSupplier {
    NodeServiceFileDescriptorSupplier() {}
  }

  private static final class NodeServiceMethodDescriptorSupplier
      extends NodeServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    NodeServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (NodeServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new NodeServiceFileDescriptorSupplier())
              .addMethod(getGetStatusMethod())
              .addMethod(getDrainMethod())
              .addMethod(getBackupMethod())
              .build();
        }
      }
    }
    return result;
  }
}
