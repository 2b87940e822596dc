/** The few shapes of the SSH protocol's data. Source: RFC 4251 §5. */

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function sshString(value: Buffer | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** A positive number, given as its bytes. */
export function sshNumber(value: Buffer): Buffer {
  let start = 0;
  while (start < value.length - 1 && value[start] === 0) start += 1;
  const bytes = value.subarray(start);
  const isHigh = ((bytes[0] ?? 0) & 0x80) !== 0;
  return sshString(isHigh ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

/** Throws a RangeError at the end of the data. */
export function createSshReader(data: Buffer) {
  let at = 0;
  function bytes(count: number): Buffer {
    if (count > data.length - at) throw new RangeError('the data ends too early');
    at += count;
    return data.subarray(at - count, at);
  }
  const number = () => bytes(4).readUInt32BE();
  return { bytes, number, string: () => bytes(number()) };
}
