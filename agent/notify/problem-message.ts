// Describes what people are told of problems: a mail's subject, text and HTML, a webhook's body.
import { escapeHtml } from "../text/escape-html.ts";
import type { Problem } from "../model/problem.ts";
import { plainLine } from "../text/untrusted.ts";
import { problemView } from "../views.ts";
import type { Message } from "./port.ts";
import type { News } from "./problem-news.ts";

export function problemSubject({ topic }: News): string {
  return `[batch-agent] ${plainLine(topic.name, 200)} problem`;
}

function lines({ topic, problems }: News): string[] {
  const [first, ...others] = problems;
  const head = first === undefined ? "" : plainLine(first.message, 500);
  return [
    `${plainLine(topic.name, 200)} has a problem: ${head}`,
    ...[first, ...others].flatMap((problem) => (problem === undefined ? [] : described(problem))),
  ];
}

function described({ file, line, column, message, hint }: Problem): string[] {
  const place = [file, line, column].filter((part) => part !== null).join(":");
  const text = `${place === "" ? "" : `${plainLine(place, 500)}: `}${plainLine(message, 500)}`;
  return [text, ...(hint === null ? [] : [`  hint: ${plainLine(hint, 500)}`])];
}

/** JSON of `{event, text, problem}`: `problem` is the first, `text` tells all. */
export function problemContent(news: News, link: string): { mail: Message["content"]; webhook: Message["content"] } {
  const [headline = "", ...rest] = lines(news);
  const stays = news.topic.key.startsWith("agent:") ? [] : ["What was valid last stays in force."];
  const text = [headline, "", ...rest, "", ...stays, `Look  ${link}`, ""].join("\n");
  const html = [
    "<!doctype html>",
    `<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(problemSubject(news))}</title></head><body>`,
    `<p><strong>${escapeHtml(headline)}</strong></p>`,
    `<pre>${rest.map(escapeHtml).join("\n")}</pre>`,
    ...stays.map((line) => `<p>${line}</p>`),
    `<p><a href="${escapeHtml(link)}">${escapeHtml(link)}</a></p>`,
    "</body></html>",
    "",
  ].join("\n");
  const [problem] = news.problems;
  const body = JSON.stringify({
    event: "problem",
    text: [headline, ...rest, link].join("\n"),
    problem: problem === undefined ? null : problemView(problem),
  });
  return { mail: { kind: "mail", subject: problemSubject(news), text, html }, webhook: { kind: "webhook", body } };
}
