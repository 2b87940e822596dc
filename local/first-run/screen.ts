import { styleText } from 'node:util';

export interface ReadyInfo {
  version: string;
  nodeVersion: string;
  readyMs: number;
  dataDir: string;
  origin: string;
  loginUrl: string;
  owner: string;
  functionsUrl: string;
  gitRemote: string;
  gitOpsPath: string;
  gitOpsUrl: string;
}

/** Where the screen is written: people read it, so colour only on a terminal. */
export interface ScreenOutput {
  write(text: string): unknown;
  isTTY?: boolean;
}

export interface Screen {
  notice(text: string): void;
  ready(info: ReadyInfo): void;
  sampleLive(info: { name: string; url: string; tookMs: number }): void;
  sampleFailed(info: { name: string; cause: string }): void;
  hints(info: ReadyInfo, sampleUrl: string | null): void;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** One JSON object a line, for programs and tests. */
export function createJsonScreen(output: ScreenOutput): Screen {
  const line = (value: object) => output.write(`${JSON.stringify(value)}\n`);
  return {
    notice: (text) => line({ event: 'notice', text }),
    ready: (info) => line({ event: 'ready', ...info }),
    sampleLive: (info) => line({ event: 'sample-live', ...info }),
    sampleFailed: (info) => line({ event: 'sample-failed', ...info }),
    hints: () => {},
  };
}

/** At most 20 lines: what runs, where, how to log in, what to try next. */
export function createTextScreen(output: ScreenOutput): Screen {
  const style = (format: Parameters<typeof styleText>[0], text: string) =>
    output.isTTY ? styleText(format, text, { validateStream: false }) : text;
  const row = (label: string, value: string) => output.write(`  ${style('dim', label.padEnd(12))}${value}\n`);
  return {
    notice: (text) => output.write(`  ${text}\n`),
    ready(info) {
      const title = style('bold', `Towline ${info.version}`);
      output.write(
        `\n  ${title}   ready in ${seconds(info.readyMs)}   ${style('dim', `(Node ${info.nodeVersion}, process engine, data in ${info.dataDir})`)}\n\n`,
      );
      row('Dashboard', `${style('cyan', info.loginUrl)}  ${style('dim', '(one-time link, 10 min)')}`);
      row('Functions', info.functionsUrl);
      row('Git remote', `${info.gitRemote}  ${style('dim', '(password: npx towline token)')}`);
      row(
        'GitOps repo',
        `${info.gitOpsUrl}  ${style('dim', `= ${info.gitOpsPath}; its log is the deploy history`)}`,
      );
      output.write('\n');
    },
    sampleLive: ({ name, url, tookMs }) =>
      output.write(`  Sample "${name}" is live after ${seconds(tookMs)}  ->  ${style('cyan', url)}\n`),
    sampleFailed: ({ name, cause }) => output.write(`  Sample "${name}" did not go live: ${cause}\n`),
    hints(info, sampleUrl) {
      const lines = [
        `curl ${sampleUrl ?? `${info.functionsUrl}`}`,
        'npx towline new node ../my-fn && cd ../my-fn && git push towline main',
        'npx towline history counter    npx towline rollback counter',
      ];
      output.write(lines.map((text, index) => `  ${index === 0 ? 'Try:' : '    '}  ${text}\n`).join(''));
      output.write(
        `\n  ${style('dim', 'Stop with Ctrl+C (functions stop too; data stays).  Start afresh: npm run reset')}\n\n`,
      );
    },
  };
}
