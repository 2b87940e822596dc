let count = 0;

module.exports = async () => {
  count += 1;
  return `${process.env.GREETING} ${count}\n`;
};
