/** A request whose body cannot be handed to the function; `status` is what to answer. */
export class BodyError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const units = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

function bytes(text, fallback) {
  const match = /^(\d+(?:\.\d+)?) *(b|kb|mb|gb)?$/i.exec(text ?? '');
  return match ? Math.floor(Number(match[1]) * units[(match[2] ?? 'b').toLowerCase()]) : fallback;
}

const maxJson = bytes(process.env.MAX_JSON_SIZE, 10 * units.mb);
const maxRaw = bytes(process.env.MAX_RAW_SIZE, 10 * units.mb);
const alwaysRaw = process.env.RAW_BODY === 'true';

/** The body as its content type says: JSON and forms parsed, text as text, anything else as a Buffer. */
export async function readBody(request) {
  const type = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  const isJson = !alwaysRaw && (type === 'application/json' || type.endsWith('+json'));
  const raw = await collect(request, isJson ? maxJson : maxRaw);
  if (alwaysRaw) return raw;
  if (raw.length === 0) return type.startsWith('text/') ? '' : {};
  if (isJson) return parseJson(raw);
  if (type === 'application/x-www-form-urlencoded')
    return Object.fromEntries(new URLSearchParams(raw.toString()));
  return type.startsWith('text/') ? raw.toString() : raw;
}

/** What is read and thrown away after a body that is too large: a client that is cut off never reads the answer. */
const maxDiscarded = 100 * units.mb;

function collect(request, max) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    request.on('data', (chunk) => {
      size += chunk.length;
      if (size <= max) return chunks.push(chunk);
      chunks.length = 0;
      reject(new BodyError(413, `the body is larger than ${max} bytes`));
      if (size > max + maxDiscarded) request.destroy();
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', () => reject(new BodyError(400, 'the request ended early')));
  });
}

function parseJson(raw) {
  try {
    return JSON.parse(raw.toString());
  } catch (error) {
    throw new BodyError(400, `the body is not valid JSON: ${error.message}`);
  }
}
