// A voice agent on @openai/agents: its RealtimeSession on the Twilio transport of @openai/agents-extensions.
// Nothing in it knows the emulator: where the model is stands in its environment, as does the key. The test hands it the
// socket to listen on, whose port the emulator has to know first.
import { createServer } from 'node:http';
import { RealtimeAgent, RealtimeSession } from '@openai/agents/realtime';
import { TwilioRealtimeTransportLayer } from '@openai/agents-extensions';
import { WebSocketServer } from 'ws';

const { LISTEN_FD, OPENAI_API_KEY, OPENAI_REALTIME_URL } = process.env;
const MODEL = 'gpt-realtime-2.1';
const say = (line) => console.log(line);

// Said, because without it the session asks for PCM, which a telephone plays as noise.
const AUDIO = { input: { format: 'g711_ulaw' }, output: { format: 'g711_ulaw', voice: 'marin' } };

const agent = new RealtimeAgent({
  name: 'Aurora',
  instructions: 'You answer the telephone of Trattoria Aurora. Be brief.',
});

// Twilio asks what to do with a call, whichever side dialled.
const server = createServer((request, response) => {
  request.resume();
  const known = request.method === 'POST' && request.url === '/voice';
  response.writeHead(known ? 200 : 404, { 'Content-Type': 'text/xml' });
  response.end(
    known ? `<Response><Connect><Stream url="ws://${request.headers.host}/media"/></Connect></Response>` : undefined,
  );
});

// One call's media stream, and its session.
new WebSocketServer({ server, path: '/media' }).on('connection', async (socket) => {
  const transport = new TwilioRealtimeTransportLayer({ twilioWebSocket: socket });
  const session = new RealtimeSession(agent, { transport, model: MODEL, config: { audio: AUDIO } });
  session.on('error', ({ error }) => say(`error: ${JSON.stringify(error)}`));
  session.on('audio_interrupted', () => say('interrupted'));
  session.on('transport_event', (event) => {
    if (event.type === 'twilio_message' && event.message.event === 'start') {
      say(`twilio call ${event.message.start.callSid}`);
    }
    if (event.type === 'twilio_message' && event.message.event === 'dtmf') say(`key ${event.message.dtmf.digit}`);
  });
  transport.on('connection_change', (status) => {
    if (status === 'disconnected') say('session over');
  });
  await session.connect({ apiKey: OPENAI_API_KEY, url: `${OPENAI_REALTIME_URL}?model=${MODEL}` });
  session.sendMessage('Say hello to the caller.');
});

server.listen({ fd: Number(LISTEN_FD) }, () => say('ready'));
