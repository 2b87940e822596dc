const step = Number(process.env.STEP);
const since = new Date().toISOString();
let count = 0;

module.exports = async (event, context) => {
  if (event.method === 'DELETE') count = 0;
  else count += step;
  return context.status(200).succeed({ greeting: process.env.GREETING, count, since });
};
