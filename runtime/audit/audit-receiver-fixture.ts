import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { AuditEvent } from '../../core/audit.ts';

/** A receiver of audit events, as Slack or a script would be. */
export async function startAuditReceiver() {
  const got: { headers: Record<string, unknown>; body: string }[] = [];
  const server = createServer(async (req, res) => {
    got.push({ headers: req.headers, body: await text(req) });
    res.writeHead(receiver.answer.status, receiver.answer.headers).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  async function close(): Promise<void> {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }
  const receiver = {
    got,
    answer: { status: 200, headers: {} as Record<string, string> },
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/T00/secret`,
    close,
    /** What arrived with a good signature; throws for any other. */
    events(secret: string): AuditEvent[] {
      return got.map(({ headers, body }) => {
        const signed = `${String(headers['x-towline-timestamp'])}.${body}`;
        const wanted = `sha256=${createHmac('sha256', secret).update(signed).digest('hex')}`;
        if (headers['x-towline-signature-256'] !== wanted) throw new Error(`a wrong signature: ${body}`);
        return AuditEvent.parse(JSON.parse(body));
      });
    },
    [Symbol.asyncDispose]: close,
  };
  return receiver;
}
