/** Lines of text as they come; one that is longer than `maxBytes` is an error. What follows the last line break is no line. */
export async function* linesOf(body: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    let from = 0;
    for (let to = chunk.indexOf(10); to >= 0; to = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, to));
      yield Buffer.concat(parts).toString('utf8');
      parts = [];
      bytes = 0;
      from = to + 1;
    }
    bytes += chunk.length - from;
    if (bytes > maxBytes) throw new Error(`a line of the answer has more than ${maxBytes} bytes`);
    parts.push(chunk.subarray(from));
  }
}
