const step = Number(process.env.STEP);
let count = 0;

module.exports = async () => {
  count += step;
  return `${process.env.GREETING} ${count}\n`;
};
