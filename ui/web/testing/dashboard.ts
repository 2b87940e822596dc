import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { build } from 'vite';
import { launchChromium } from './browser.ts';
import { exampleState } from './example-platform.ts';
import { type PlatformStub, type StubState, startPlatformStub } from './platform-stub.ts';

interface View {
  state?: (state: StubState) => void;
  width?: number;
  height?: number;
}

const webDir = fileURLToPath(new URL('..', import.meta.url));
const patienceMs = 10_000;

/** The built dashboard in a real browser, before a platform whose answers the test scripts. */
export class Dashboard implements AsyncDisposable {
  readonly dist: string;
  readonly #browser: Browser;
  #context: BrowserContext | undefined;
  #stub: PlatformStub | undefined;
  #page: Page | undefined;
  #complaints: string[] = [];

  private constructor(dist: string, browser: Browser) {
    this.dist = dist;
    this.#browser = browser;
  }

  static async start(): Promise<Dashboard> {
    // Its own folder, so that nothing else that builds the dashboard is in the way.
    const dist = await mkdtemp(join(tmpdir(), 'towline-web-'));
    await build({ configFile: join(webDir, 'vite.config.ts'), logLevel: 'error', build: { outDir: dist } });
    return new Dashboard(dist, await launchChromium());
  }

  get page(): Page {
    if (!this.#page) throw new Error('no page is open');
    return this.#page;
  }

  get stub(): PlatformStub {
    if (!this.#stub) throw new Error('no page is open');
    return this.#stub;
  }

  async open(path: string, view: View = {}): Promise<void> {
    const state = exampleState();
    view.state?.(state);
    this.#stub = await startPlatformStub(this.dist, state);
    this.#context = await this.#browser.newContext({
      viewport: { width: view.width ?? 1280, height: view.height ?? 800 },
      permissions: ['clipboard-read', 'clipboard-write'],
      reducedMotion: 'reduce',
    });
    this.#page = await this.#context.newPage();
    this.#page.setDefaultTimeout(patienceMs);
    this.#complaints = [];
    this.#page.on('pageerror', (error) => this.#complaints.push(error.message));
    this.#page.on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) this.#complaints.push(message.text());
    });
    await this.#page.goto(this.#stub.origin + path);
    await this.#page.locator('h1').waitFor();
  }

  /** Ends the page and its platform; fails if the page threw or broke its Content-Security-Policy. */
  async close(): Promise<void> {
    await this.#context?.close();
    await this.#stub?.[Symbol.asyncDispose]();
    assert.deepEqual(this.#complaints, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    await rm(this.dist, { recursive: true, force: true });
  }

  /** Waits for a condition of any kind; says what the page shows when it never comes. */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while (!(await holds())) {
      if (Date.now() > deadline) assert.fail(`${what}\n${await this.page.locator('main').innerText()}`);
      await this.page.waitForTimeout(20);
    }
  }

  async shows(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }

  functionNames(): Promise<string[]> {
    return this.page.locator('.function-row .name').allInnerTexts();
  }

  functionRow(name: string): Locator {
    const link = this.page.getByRole('link', { name, exact: true });
    return this.page.locator('.function-row', { has: link });
  }
}
