console.log('\u001b[36mchatty\u001b[0m has started');

module.exports = async (event) => {
  console.log(`\u001b[2m${new Date().toISOString()}\u001b[0m ${event.method} ${event.path}`);
  return 'See the build log.\n';
};
