// Holds answers against schemas/openapi.yaml: what is not described there, or is described otherwise, throws.
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { openApi } from "../../agent/http/api/openapi.ts";

interface Described {
  $ref?: string;
  content?: Record<string, { schema?: object }>;
}

export const description = openApi("test");
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addSchema(description, "openapi");
const compiled = new Map<string, ValidateFunction>();
const templates = Object.keys(description.paths).map((path) => ({
  path,
  pattern: new RegExp(`^${path.replace("{path}", ".+").replace(/\{\w+\}/g, "[^/]+")}$`),
}));

/**
 * The described path that a request's path, or a route's with `:id`, belongs to; a literal one goes before a
 * template.
 */
export function describedPath(path: string): string | undefined {
  if (path in description.paths) return path;
  return templates.find(({ pattern }) => pattern.test(path))?.path;
}

/** Throws unless the answer is one that the document describes for this request. */
export async function checkAnswer(method: string, url: string, response: Response): Promise<void> {
  const path = describedPath(new URL(url, "http://x").pathname);
  const operation =
    path === undefined ? undefined : description.paths[path]?.[method === "HEAD" ? "get" : method.toLowerCase()];
  const where = `${method} ${url} → ${response.status}`;
  const at =
    path === undefined || operation === undefined
      ? undefined
      : pointer([
          "paths",
          path,
          method === "HEAD" ? "get" : method.toLowerCase(),
          "responses",
          String(response.status),
        ]);
  // Said once for all: no such path, no such method, and the agent's own fault.
  const general = (operation === undefined && [404, 405].includes(response.status)) || response.status === 500;
  // by the token or the host, whatever was asked for
  const refused = [303, 401, 421, 429, 503].includes(response.status);
  const own = at === undefined ? undefined : resolve(at);
  const described = general
    ? resolve("#/components/responses/Page")
    : (own ?? (refused ? resolve(`#/components/responses/${response.status === 303 ? "Login" : "Page"}`) : undefined));
  if (described === undefined) throw new Error(`${where} is not in schemas/openapi.yaml`);
  if (response.body === null && (described.value.content === undefined || method === "HEAD" || response.status === 304))
    return;
  const type = (response.headers.get("content-type") ?? "").split(";")[0] as string;
  const content = described.value.content?.[type];
  if (content === undefined) throw new Error(`${where} is ${type}, which schemas/openapi.yaml does not say`);
  if (method === "HEAD" || !/[/+]json$/.test(type)) return;
  const validate = validator(`openapi${described.at}/content/${escape(type)}/schema`);
  const body: unknown = await response.clone().json();
  if (!validate(body))
    throw new Error(
      `${where} is not as schemas/openapi.yaml says: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(body).slice(0, 2000)}`,
    );
}

/** One of components.schemas. */
export function isShaped(name: string, value: unknown): boolean | string {
  const validate = validator(`openapi#/components/schemas/${name}`);
  return validate(value) || ajv.errorsText(validate.errors);
}

function validator(ref: string): ValidateFunction {
  const validate = compiled.get(ref) ?? ajv.compile({ $ref: ref });
  compiled.set(ref, validate);
  return validate;
}

function resolve(at: string): { at: string; value: Described } | undefined {
  let value: unknown = description;
  for (const key of at.slice(2).split("/"))
    value = (value as Record<string, unknown> | undefined)?.[key.replaceAll("~1", "/").replaceAll("~0", "~")];
  const found = value as Described | undefined;
  return found?.$ref === undefined ? found && { at, value: found } : resolve(found.$ref);
}

function pointer(keys: readonly string[]): string {
  return `#/${keys.map(escape).join("/")}`;
}

function escape(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}
