// The API's description is complete, is itself well-formed, and is held against what the app answers.
import { expect, test } from "vitest";
import { checkAnswer, describedPath, description } from "../helpers/contract.ts";
import { serve } from "../helpers/http.ts";
import { execution } from "../helpers/make.ts";

test("each route of the app is described", async () => {
  const { app } = await serve();
  const missing = app.routes.filter(({ method, path }) => {
    if (method === "ALL") return false; // what holds for every request
    const described = describedPath(path.replace(/:\w+/g, "x"));
    return described === undefined || !(method.toLowerCase() in (description.paths[described] ?? {}));
  });
  expect(missing.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
});

test("it is served as JSON, with the schema of batch.yaml in it and nothing that leads nowhere", async () => {
  const { json } = await serve();
  const served = await json<typeof description>("/openapi.json");
  expect(served).toEqual(description);
  expect(served.info.version).toBe("test");
  const text = JSON.stringify(served);
  for (const [, name] of text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g))
    expect(served.components.schemas).toHaveProperty(name as string);
  const ids = Object.values(served.paths).flatMap((path) => Object.keys(path));
  expect(new Set(ids)).toEqual(new Set(["get", "post"]));
});

test.each<[string, string, Response, RegExp]>([
  ["a path", "/api/other", Response.json({}), /is not in/],
  ["a status", "/api/problems", Response.json({ items: [] }, { status: 201 }), /is not in/],
  ["a type", "/api/problems", new Response("<p>", { headers: { "Content-Type": "text/html" } }), /is text\/html/],
  ["a field that is not described", "/api/problems", Response.json({ items: [], more: 1 }), /not as/],
  ["a field that is missing", "/api/graph", Response.json({ nodes: [] }), /not as/],
  ["a field of another type", "/healthz", Response.json({ status: 1 }), /not as/],
  [
    "an error without its fields",
    "/api/executions/x",
    new Response("{}", { status: 404, headers: { "Content-Type": "application/problem+json" } }),
    /not as/,
  ],
])("an answer with %s that is not described throws", async (_what, url, response, want) => {
  await expect(checkAnswer("GET", url, response)).rejects.toThrow(want);
});

test("an execution that shows more than it may throws", async () => {
  const { app, add } = await serve();
  const row = await add(execution({ status: "failed" }));
  const response = await app.request(`/api/executions/${row.id}`);
  const more = Response.json({ ...((await response.json()) as object), boot: "x" });
  await expect(checkAnswer("GET", `/api/executions/${row.id}`, more)).rejects.toThrow(/additional properties/);
});
