// Reading JSON, as far as settings and flat records need it.

/** The field of a JSON object as it stands, strings with their quotes; "" if there is none. */
export function jsonField(text: string, name: string): string {
  let at = space(text, 0) + 1;
  while (at < text.length) {
    const start = space(text, at);
    at = skip(text, start);
    const found = text.substring(start + 1, at - 1) == name;
    const value = space(text, space(text, at) + 1);
    at = skip(text, value);
    if (found) return text.substring(value, at);
    at = space(text, at) + 1;
  }
  return "";
}

/** The text of a JSON string. */
export function jsonString(value: string): string {
  let text = "";
  for (let i = 1; i < value.length - 1; i++) {
    let c = value.charAt(i);
    if (c == "\\") {
      c = value.charAt(++i);
      if (c == "u") {
        c = String.fromCharCode(<i32>parseInt(value.substr(i + 1, 4), 16));
        i += 4;
      } else {
        const at = "bfnrt".indexOf(c);
        if (at >= 0) c = "\b\f\n\r\t".charAt(at);
      }
    }
    text += c;
  }
  return text;
}

function space(text: string, at: i32): i32 {
  while (at < text.length && text.charCodeAt(at) <= 32) at++;
  return at;
}

/** The end of the JSON value that starts at a place. */
function skip(text: string, at: i32): i32 {
  let depth = 0;
  for (; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c == 34) {
      for (at++; at < text.length && text.charCodeAt(at) != 34; at++) if (text.charCodeAt(at) == 92) at++;
      if (depth == 0) return at + 1;
    } else if (c == 123 || c == 91) {
      depth++;
    } else if (c == 125 || c == 93) {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if (depth == 0 && (c == 44 || c == 58 || c <= 32)) {
      return at;
    }
  }
  return at;
}
