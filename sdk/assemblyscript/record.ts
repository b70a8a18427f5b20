// Records and their bytes, as docs/formats.md says they travel.

/** The timestamp of a record that has none. */
export const NO_TIMESTAMP: i64 = i64.MIN_VALUE;

/**
 * Bytes where they lie. Null: absent, which is not empty. Those of a record, a table or a
 * timer are valid until the function that got them returns; toString and toBuffer copy.
 */
export class Bytes {
  private buffer: ArrayBuffer | null = null; // keeps what set was given
  constructor(public ptr: usize = 0, public len: u32 = 0) {}

  /** The bytes of a text, UTF-8. */
  static of(text: string): Bytes {
    const b = new Bytes();
    b.set(String.UTF8.encode(text));
    return b;
  }

  get isNull(): bool { return this.ptr == 0; }

  toString(): string { return String.UTF8.decodeUnsafe(this.ptr, this.len); }

  toBuffer(): ArrayBuffer {
    const copy = new ArrayBuffer(this.len);
    memory.copy(changetype<usize>(copy), this.ptr, this.len);
    return copy;
  }

  /** Compares with text without allocating, if that is ASCII. */
  is(text: string): bool {
    if (<u32>text.length != this.len) return false;
    for (let i: u32 = 0; i < this.len; i++) {
      if (<i32>load<u8>(this.ptr + i) != text.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Makes these bytes those of a buffer. */
  set(buffer: ArrayBuffer): void {
    this.buffer = buffer;
    this.ptr = changetype<usize>(buffer);
    this.len = buffer.byteLength;
  }

  /** Makes these bytes those at a place in memory, which somebody else keeps. */
  point(ptr: usize, len: u32): void {
    this.ptr = ptr;
    this.len = len;
  }
}

/** One record. It and its bytes are valid until the function that got it returns. */
export class Record {
  timestamp: i64 = NO_TIMESTAMP;
  change: u32 = 0;
  key: Bytes = new Bytes();
  value: Bytes = new Bytes();
  extension: Bytes = new Bytes();
  // What read fills in: an author may have put other bytes into the fields.
  private ownKey: Bytes = this.key;
  private ownValue: Bytes = this.value;

  /** Reads the record at ptr; returns the bytes it takes, 0 if it is malformed. */
  read(ptr: usize, left: u32): u32 {
    if (left < 16) return 0;
    const head = load<u64>(ptr);
    const kind = <u32>(head >> 24) & 255;
    const keyLen = <u32>head & 0xffffff, valueLen = <u32>(head >> 32);
    if ((kind & 0x70) || ((kind & 4) && keyLen) || ((kind & 8) && valueLen)) return 0;
    let at: u64 = 16;
    this.extension.ptr = 0;
    this.extension.len = 0;
    if (kind & 128) {
      if (left < 20) return 0;
      this.extension.ptr = ptr + 20;
      this.extension.len = load<u32>(ptr + 16);
      at = 20 + <u64>this.extension.len;
    }
    const end = at + keyLen + valueLen;
    if (end > left) return 0;
    this.timestamp = load<i64>(ptr + 8);
    this.change = kind & 3;
    this.key = this.ownKey;
    this.value = this.ownValue;
    this.key.ptr = kind & 4 ? 0 : ptr + <usize>at;
    this.key.len = keyLen;
    this.value.ptr = kind & 8 ? 0 : ptr + <usize>at + keyLen;
    this.value.len = valueLen;
    return <u32>end;
  }

  get size(): u64 {
    return 16 + <u64>this.key.len + this.value.len + (this.extension.ptr ? 4 + <u64>this.extension.len : 0);
  }

  /** Writes the record to ptr, where there is room for its size. */
  write(ptr: usize): void {
    let kind = (this.change & 3) | (this.key.ptr ? 0 : 4) | (this.value.ptr ? 0 : 8);
    let at = ptr + 16;
    if (this.extension.ptr) {
      kind |= 128;
      store<u32>(at, this.extension.len);
      memory.copy(at + 4, this.extension.ptr, this.extension.len);
      at += 4 + this.extension.len;
    }
    store<u64>(ptr, <u64>this.key.len | (<u64>kind << 24) | (<u64>this.value.len << 32));
    store<i64>(ptr + 8, this.timestamp);
    memory.copy(at, this.key.ptr, this.key.len);
    memory.copy(at + this.key.len, this.value.ptr, this.value.len);
  }
}
