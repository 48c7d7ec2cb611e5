// A line of curl for each operation of an OpenAPI document. No page needed: a test makes the same lines and runs them.

const methods = ["get", "head", "post", "put", "patch", "delete"];

/** Follows a `$ref` inside the document. */
export function resolve(document, thing) {
  for (let depth = 0; thing && thing.$ref && depth < 20; depth += 1) {
    thing = thing.$ref.slice(2).split("/").reduce((at, name) => at?.[name.replace(/~1/g, "/").replace(/~0/g, "~")], document);
  }
  return thing ?? {};
}

/** All operations in the order of the document. */
export function operations(document) {
  const found = [];
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const method of methods) {
      const operation = item[method];
      if (!operation) continue;
      const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((one) => resolve(document, one));
      found.push({ path, method, operation, parameters, id: operation.operationId, tag: operation.tags?.[0] ?? "other" });
    }
  }
  return found;
}

/** A value that fits the schema, as far as that can be told. */
export function sample(document, schema, depth = 0) {
  const known = resolve(document, schema);
  if (known.const !== undefined) return known.const;
  if (known.example !== undefined) return known.example;
  if (known.examples?.length) return known.examples[0];
  if (known.default !== undefined) return known.default;
  if (known.enum?.length) return known.enum[0];
  const choice = known.oneOf ?? known.anyOf;
  if (choice?.length && depth < 8) return sample(document, choice[0], depth + 1);
  const type = Array.isArray(known.type) ? known.type[0] : known.type;
  if (type === "object" || known.properties || known.allOf) {
    const value = {};
    for (const part of [known, ...(known.allOf ?? []).map((one) => resolve(document, one))]) {
      for (const name of part.required ?? []) {
        if (depth < 8) value[name] = sample(document, part.properties?.[name] ?? {}, depth + 1);
      }
    }
    return value;
  }
  if (type === "array") return depth < 8 && (known.minItems ?? 0) > 0 ? [sample(document, known.items ?? {}, depth + 1)] : [];
  if (type === "integer" || type === "number") return known.minimum ?? 1;
  if (type === "boolean") return true;
  if (known.format === "date-time") return "2026-01-31T12:00:00Z";
  if (known.format === "uri") return "https://ci.example/hook";
  return "demo";
}

const quoted = (text) => (/^[A-Za-z0-9_.,:/@%+=-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`);

function valueOf(document, parameter) {
  const media = Object.values(parameter.content ?? {})[0];
  const example = parameter.example ?? Object.values(parameter.examples ?? {})[0]?.value ?? media?.example;
  const value = example ?? sample(document, parameter.schema ?? media?.schema ?? {});
  return Array.isArray(value) ? value.join(",") : String(value);
}

/** The words for a body: JSON with an example first, else a file. */
function body(document, operation, method) {
  const request = resolve(document, operation.requestBody);
  const media = request.content ?? {};
  const types = Object.keys(media);
  if (!types.length || (!request.required && !("application/json" in media))) return [];
  if ("text/plain" in media) {
    return method === "put" ? ["-T", "examples/payroll.jcl"]
      : ["-H", "Content-Type: text/plain", "--data-binary", "@examples/payroll.jcl"];
  }
  const type = types.find((one) => one.includes("json")) ?? types[0];
  const examples = Object.values(media[type].examples ?? {});
  const value = media[type].example ?? examples[0]?.value ?? sample(document, media[type].schema ?? {});
  return ["-H", `Content-Type: ${type}`, "-d", typeof value === "string" ? value : JSON.stringify(value)];
}

/** One line for a shell. A sample of the document's own goes before what is put together here. */
export function curlLine(document, { path, method, operation, parameters }, origin) {
  const given = operation["x-codeSamples"]?.find((one) => /shell|bash|curl/i.test(one.lang ?? ""))?.source;
  if (given) return given.trim().replaceAll("http://localhost:8077", origin);
  const words = ["curl", "-s"];
  const types = Object.values(operation.responses ?? {}).flatMap((one) => Object.keys(resolve(document, one).content ?? {}));
  if (types[0] === "text/event-stream") words[1] = "-sN";
  const content = body(document, operation, method);
  const natural = content.includes("-T") ? "put" : content.length ? "post" : "get";
  if (method === "head") words[1] = "-sI";
  else if (method !== natural) words.push("-X", method.toUpperCase());
  words.push(...content);
  let target = path;
  const query = [];
  for (const parameter of parameters) {
    if (parameter.in === "path") {
      target = target.replace(`{${parameter.name}}`, encodeURIComponent(valueOf(document, parameter)).replaceAll("%3A", ":"));
    } else if (parameter.required && parameter.in === "query") {
      query.push(`${parameter.name}=${encodeURIComponent(valueOf(document, parameter))}`);
    } else if (parameter.required && parameter.in === "header") {
      words.push("-H", `${parameter.name}: ${valueOf(document, parameter)}`);
    }
  }
  words.push(origin + target + (query.length ? `?${query.join("&")}` : ""));
  return words.map(quoted).join(" ");
}
