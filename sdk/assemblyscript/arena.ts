// Memory that lasts until a call of the operator ends.

const CHUNK: u32 = 256 << 10;
const KEPT: u32 = 16 << 20;

export class Arena {
  private chunks: ArrayBuffer[] = [];
  private chunk: i32 = 0;
  private used: u32 = 0;
  private total: u32 = 0;

  /** A place with room of at least a size, 8-aligned; left says how much there is. */
  reserve(size: u32): usize {
    for (; this.chunk < this.chunks.length; this.chunk++, this.used = 0) {
      if (this.left >= size) return changetype<usize>(this.chunks[this.chunk]) + this.used;
    }
    const chunk = new ArrayBuffer(max(size, CHUNK));
    this.chunks.push(chunk);
    this.total += chunk.byteLength;
    return changetype<usize>(chunk);
  }

  /** The room at the reserved place. */
  get left(): u32 { return this.chunks[this.chunk].byteLength - this.used; }

  /** Takes bytes of the reserved place. */
  take(size: u32): void { this.used += min((size + 7) & ~7, this.left); }

  copy(ptr: usize, len: u32): usize {
    const at = this.reserve(max(len, 1));
    memory.copy(at, ptr, len);
    this.take(max(len, 1));
    return at;
  }

  reset(): void {
    if (this.total > KEPT) {
      this.chunks = [];
      this.total = 0;
    }
    this.chunk = 0;
    this.used = 0;
  }
}
