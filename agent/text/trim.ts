// Ends of a text, trimmed in one pass: a regular expression such as `/x+$/` tries each of the x's anew.

/** Returns `text` without the characters of `chars` at its end. */
export function trimEndOf(text: string, chars: string): string {
  let end = text.length;
  while (end > 0 && chars.includes(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

/** Returns `text` without the characters of `chars` at its beginning and end. */
export function trimOf(text: string, chars: string): string {
  const ended = trimEndOf(text, chars);
  let start = 0;
  while (start < ended.length && chars.includes(ended.charAt(start))) start += 1;
  return ended.slice(start);
}
