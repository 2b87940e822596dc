const { Readable } = require('node:stream');
const { setTimeout: wait } = require('node:timers/promises');

async function* progress(steps, ms) {
  for (let step = 1; step <= steps; step += 1) {
    yield `step ${step} of ${steps}\n`;
    await wait(ms);
  }
  yield 'done\n';
}

module.exports = async (event, context) => {
  const steps = Math.min(Number(event.query.steps ?? 10), 100);
  const ms = Math.min(Number(event.query.ms ?? 500), 5000);
  context.headers({ 'Content-Type': 'text/plain; charset=utf-8' });
  return Readable.from(progress(steps, ms));
};
