// A text frame as the bytes that go over the wire: made once, and written to as many sockets as want it.

const text = 0x81

/** Unmasked, as a server sends. */
export const wireBytes = (frame: string): Buffer => {
  const length = Buffer.byteLength(frame)
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const bytes = Buffer.allocUnsafe(head + length)
  bytes[0] = text
  if (head === 2) bytes[1] = length
  else if (head === 4) {
    bytes[1] = 126
    bytes.writeUInt16BE(length, 2)
  } else {
    bytes[1] = 127
    bytes.writeUInt32BE(0, 2)
    bytes.writeUInt32BE(length, 6)
  }
  bytes.write(frame, head)
  return bytes
}
