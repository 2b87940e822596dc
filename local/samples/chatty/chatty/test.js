const colours = [31, 32, 33, 34, 35, 36];
const bar = (percent) => `${'#'.repeat(percent / 5).padEnd(20, '.')} ${percent} %`;

for (let percent = 0; percent <= 100; percent += 5) process.stdout.write(`\rfetching ${bar(percent)}`);
process.stdout.write('\n');
for (let n = 1; n <= 5000; n += 1) {
  console.log(`\u001b[${colours[n % colours.length]}mcase ${String(n).padStart(4)}\u001b[0m ok`);
}
console.error('\u001b[1;33mwarning:\u001b[0m 5000 cases is a lot');
console.log('\u001b[1;32m✔ all 5000 cases passed\u001b[0m');
