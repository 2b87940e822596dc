import { join } from 'node:path';
import type { FunctionSummary } from '../../core/api.ts';
import type { HistoryEntry } from '../../core/manifest-writer.ts';
import { apiPaths } from '../../core/paths.ts';
import { sampleNames } from '../../local/first-run/seed.ts';
import { eventually, Product, packageDir } from '../../test/e2e/product.ts';
import { launchChromium } from '../../ui/web/testing/browser.ts';

// The pictures of README.md, from the running product and its own samples: npm run docs:screenshots

await using product = await Product.start({ env: { TOWLINE_SAMPLES: 'true' } });
await eventually(
  'the samples to have ended',
  async () => {
    const rows = await product.api<FunctionSummary[]>('GET', apiPaths.functions('demo'));
    return (
      rows.length === sampleNames(join(packageDir, 'local/samples')).length &&
      rows.every((row) => row.status === 'Ready' || row.lastDeploy?.state === 'failed')
    );
  },
  120_000,
);
const history = await product.api<HistoryEntry[]>('GET', apiPaths.history('demo', 'counter'));
const second = history.find((entry) => entry.number === 2);
if (second)
  await product.api('POST', apiPaths.revert('demo', 'counter'), {
    toCommit: second.commit,
    reason: 'clients expect plain text',
  });

const browser = await launchChromium();
try {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    deviceScaleFactor: 2,
    colorScheme: 'light',
  });
  const page = await context.newPage();
  await page.goto(product.ready.loginUrl);
  await page.getByRole('link', { name: 'hello', exact: true }).first().waitFor();
  await page.screenshot({ path: join(import.meta.dirname, 'functions.png') });
  await page.goto(`${product.ready.origin}/demo/counter/deploys`);
  await page.getByText('#4').first().waitFor();
  await page.getByRole('button', { name: /diff/i }).first().click();
  await page.getByRole('table').first().waitFor();
  await page.screenshot({ path: join(import.meta.dirname, 'deploys.png') });
} finally {
  await browser.close();
}
