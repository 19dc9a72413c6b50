// A turn for others on the event loop.

const maxTurnMs = 8;
let turnBegan = 0;

/**
 * Gives others their turn on the event loop once this work has had it for some milliseconds. Between two calls small
 * files are read synchronously: a promise for each call of the system costs ten times what the call itself does.
 */
export async function yieldToEventLoop(): Promise<void> {
  if (performance.now() - turnBegan < maxTurnMs) return;
  await new Promise((done) => setImmediate(done));
  turnBegan = performance.now();
}
