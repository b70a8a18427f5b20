// The tables and timers of a test: what an operator's imports reach.

/** Tables are known by their index; keys, subkeys and values are bytes. */
export class State {
  version = 0;
  watermark = -(1n << 63n);
  timers = []; // { domain, at, key, tag }
  #entries = new Map(); // name of table and key → entries { sub, value, version }, in order

  /** The value of an entry, or undefined. */
  get(table, key, sub = "") { return this.#entry(table, key, Buffer.from(sub))?.value; }

  #of(table, key) { return this.#entries.get(`${table} ${Buffer.from(key).toString("hex")}`) ?? []; }

  #entry(table, key, sub) { return this.#of(table, key).find((e) => e.sub.equals(sub)); }

  #replace(table, key, entries) { this.#entries.set(`${table} ${Buffer.from(key).toString("hex")}`, entries); }

  /** Writes an entry, as a module of another version left it maybe. */
  put(table, key, sub, value, version = this.version) {
    const entry = { sub: Buffer.from(sub), value: Buffer.from(value), version };
    const others = this.#of(table, key).filter((e) => !e.sub.equals(entry.sub));
    this.#replace(table, key, [...others, entry].sort((a, b) => Buffer.compare(a.sub, b.sub)));
  }

  /** Does a request of many operations; see sdk/abi.md. */
  apply(request, out) {
    let done = 0, used = 0;
    for (let at = 0; at < request.length; done++) {
      const [code, flags] = request.subarray(at, at + 2), table = request.readUInt16LE(at + 2);
      let from = at + 16;
      const [key, sub, value] = [4, 8, 12].map((field) => request.subarray(from, (from += request.readUInt32LE(at + field))));
      const answer = this.#do(code, flags, table, key, sub, value, out.length - used);
      if (!answer || answer.length > out.length - used) break;
      out.set(answer, used);
      used += answer.length;
      at = from;
    }
    return (BigInt(done) << 32n) | BigInt(used);
  }

  /** The answer of an operation; null: there is no room. */
  #do(code, flags, table, key, sub, value, room) {
    const entry = this.#entry(table, key, sub);
    switch (code) {
      case 0: return Buffer.concat([words(entry?.version ?? 0, entry ? entry.value.length : 0xffffffff), entry?.value ?? Buffer.alloc(0)]);
      case 1: this.put(table, key, sub, value); break;
      case 2: this.#replace(table, key, this.#of(table, key).filter((e) => e !== entry)); break;
      case 3: this.put(table, key, sub, Buffer.concat([entry?.value ?? Buffer.alloc(0), value])); break;
      case 4: return this.#scan(table, key, sub, flags ? value : null, room);
      case 6: this.#replace(table, key, this.#of(table, key).filter((e) => !within(e, sub, flags ? value : null))); break;
      default: throw new Error(`the test knows no operation ${code} of the state import`);
    }
    return Buffer.alloc(0);
  }

  #scan(table, key, from, to, room) {
    let answer = Buffer.alloc(0);
    for (const e of this.#of(table, key).filter((e) => within(e, from, to))) {
      const next = Buffer.concat([answer, words(e.sub.length, e.value.length, e.version), e.sub, e.value]);
      if (8 + next.length > room) return answer.length ? Buffer.concat([words(1, answer.length), answer]) : null;
      answer = next;
    }
    return Buffer.concat([words(0, answer.length), answer]);
  }

  setTimer(domain, at, key, tag) {
    this.deleteTimer(domain, at, key, tag);
    this.timers.push({ domain, at, key, tag });
  }

  deleteTimer(domain, at, key, tag) {
    this.timers = this.timers.filter((t) => t.domain !== domain || t.at !== at || !t.key.equals(key) || !t.tag.equals(tag));
  }

  /** Takes the earliest timer that is due. */
  due(domain, upTo) {
    const due = this.timers.filter((t) => t.domain === domain && t.at <= upTo).sort((a, b) => Number(a.at - b.at))[0];
    this.timers = this.timers.filter((t) => t !== due);
    return due;
  }
}

const within = (e, from, to) => Buffer.compare(e.sub, from) >= 0 && (!to || Buffer.compare(e.sub, to) < 0);

function words(...values) {
  const b = Buffer.alloc(4 * values.length);
  values.forEach((v, i) => b.writeUInt32LE(v, 4 * i));
  return b;
}
