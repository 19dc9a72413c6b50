// The mail server's URL in a file: its password is repeated nowhere.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSmtpUrl } from "../../agent/notify/mail-url.ts";
import { temporaryFolder } from "../helpers/tmp.ts";

function read(text: string): string {
  const path = join(temporaryFolder(), "smtp-url");
  writeFileSync(path, text);
  return readSmtpUrl(path);
}

test.each([
  ["smtps://ops:hunter2@mail.example.org\n", "smtps://ops:hunter2@mail.example.org"],
  ["  smtp://mail.example.org:25  \n\n", "smtp://mail.example.org:25"],
  ["SMTP://mail.example.org", "SMTP://mail.example.org"],
])("%j", (text, want) => expect(read(text)).toBe(want));

test.each([
  "",
  "https://ops:hunter2@mail.example.org",
  "smtp://ops:hunter2@a b",
  "smtp://[hunter2",
  "x smtp://hunter2",
])("%j is none, and is not repeated", (text) => {
  expect(() => read(text)).toThrow(/holds no URL that begins with smtp/);
  expect(() => read(text)).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining("hunter2") as string }),
  );
});

test("a file that is not there", () =>
  expect(() => readSmtpUrl(join(temporaryFolder(), "none"))).toThrow(/^--smtp-url-file: .*none/));
