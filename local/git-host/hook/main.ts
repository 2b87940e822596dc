import { connect } from 'node:net';

/**
 * git's post-receive hook: hands the updated refs to the platform and prints what it says about them.
 * It imports one module only, because every push waits for it to start. It always exits with 0:
 * when it runs, the push is stored, whatever becomes of the deploy.
 */
const stored =
  'The push is stored, but the platform cannot be reached. It will be built when the platform is back.\n';
/** Sent by the platform as its last byte; without it, the connection was lost. */
const endOfTransmission = 0x04;

const socket = connect({ host: '127.0.0.1', port: Number(process.env['TOWLINE_HOOK_PORT']) });
let connected = false;
let finished = false;

process.stdout.on('error', () => process.exit(0));
socket.on('connect', () => {
  connected = true;
});
socket.on('data', (chunk: Buffer) => {
  finished = chunk.at(-1) === endOfTransmission;
  process.stdout.write(finished ? chunk.subarray(0, -1) : chunk);
});
socket.on('error', () => socket.destroy());
socket.on('close', () => {
  if (finished) return;
  process.stdout.write(
    connected ? 'The platform went away. The push is stored; the deploy goes on when it is back.\n' : stored,
  );
});
socket.write(`${process.env['TOWLINE_HOOK_TOKEN']}\n`);
process.stdin.pipe(socket);
