/* Zip archives of a few small files: `zipped({path: bytes})` makes one, not compressed, and `unzipped(bytes)` reads one. */
"use strict";
const ZIP = { file: 0x04034b50, entry: 0x02014b50, end: 0x06054b50 };
const UTF8 = 0x0800; // names are in UTF-8

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/* Little-endian numbers, each [how many bytes, value], and bytes as they are. */
function packed(...parts) {
  return new Blob(parts.map((part) => {
    if (!Array.isArray(part)) return part;
    const [size, value] = part;
    return Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256);
  }));
}

function zipped(files) {
  const contents = [];
  const entries = [];
  let at = 0;
  for (const [path, bytes] of Object.entries(files)) {
    const name = new TextEncoder().encode(path);
    const about = [
      [2, 20], [2, UTF8], [2, 0], [4, 0x00210000], // stored, on January 1, 1980
      [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, name.length], [2, 0],
    ];
    const content = packed([4, ZIP.file], ...about, name, bytes);
    entries.push(packed([4, ZIP.entry], [2, 20], ...about, [2, 0], [2, 0], [2, 0], [4, 0], [4, at], name));
    contents.push(content);
    at += content.size;
  }
  const size = entries.reduce((sum, entry) => sum + entry.size, 0);
  const end = packed([4, ZIP.end], [4, 0], [2, entries.length], [2, entries.length], [4, size], [4, at], [2, 0]);
  return new Blob([...contents, ...entries, end], { type: "application/zip" });
}

async function unzipped(buffer) {
  const view = new DataView(buffer);
  let end = buffer.byteLength - 22;
  while (end >= 0 && view.getUint32(end, true) !== ZIP.end) end--;
  if (end < 0) throw new Error("it is no zip archive");
  const files = {};
  let at = view.getUint32(end + 16, true);
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    if (view.getUint32(at, true) !== ZIP.entry) throw new Error("the archive is damaged");
    const [method, size, name] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true), view.getUint16(at + 28, true)];
    const start = view.getUint32(at + 42, true);
    const path = new TextDecoder().decode(new Uint8Array(buffer, at + 46, name));
    const data = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
    let body = new Blob([new Uint8Array(buffer, data, size)]);
    if (method === 8) body = await new Response(body.stream().pipeThrough(new DecompressionStream("deflate-raw"))).blob();
    if (!path.endsWith("/")) files[path] = new Uint8Array(await body.arrayBuffer());
    at += 46 + name + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return files;
}
