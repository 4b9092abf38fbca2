/** The request of the page as a person types it: with curl, and with the Python client. */

/**
 * Return the command that sends the request.
 * @param {string} origin address of the service
 * @param {string} model
 * @param {Record<string, unknown>} request
 * @param {boolean} keys true if the service asks for a key
 */
export function curl(origin, model, request, keys) {
  const key = keys ? ` -H "x-api-key: $SHOPCAT_KEY"` : "";
  // In a shell, a quote within quotes closes them, is written itself, and opens them again.
  const body = JSON.stringify(request).replaceAll("'", "'\\''");
  return `curl -s ${origin}/predictions/${model}${key} \\\n     -H 'Content-Type: application/json' \\\n     -d '${body}'`;
}

/**
 * Return the program that sends the request.
 * @param {string} origin
 * @param {string} model
 * @param {Record<string, unknown>} request
 * @param {boolean} keys
 */
export function python(origin, model, request, keys) {
  const client = [literal(origin)];
  if (keys) client.push('api_key=os.environ["SHOPCAT_KEY"]');
  if (model !== "sales") client.push(`sales_model=${literal(model)}`);
  const { what_if: whatIf, ...facts } = request;
  const method = whatIf ? "what_if" : "forecast";
  const values = { ...facts, .../** @type {object} */ (whatIf ?? {}) };
  const lines = Object.entries(values).map(([name, value]) => `    ${name}=${literal(value)},`);
  return `${keys ? "import os\n\n" : ""}import shopcat

client = shopcat.Client(${client.join(", ")})
days = client.${method}(
${lines.join("\n")}
)
for day in days:
    print(day.date, day.sales${whatIf ? ", day.what_if.sales" : ""})`;
}

/**
 * Return a value as Python writes it.
 * @param {unknown} value
 * @returns {string}
 */
export function literal(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  return JSON.stringify(value);
}
