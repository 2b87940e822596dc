import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { TowlineError } from '../core/errors.ts';
import { booleanSetting, integerSetting, readConfig, settingsTable } from './config.ts';

const settings = {
  port: {
    env: 'PORT',
    schema: integerSetting({ min: 1, max: 9, default: 5 }),
    defaultText: '5',
    description: 'The port.',
  },
  loud: { env: 'LOUD', schema: booleanSetting(false), defaultText: 'false', description: 'Whether.' },
  name: { env: 'NAME', schema: z.string('must be given'), defaultText: 'none', description: 'Who.' },
};

describe('configuration', () => {
  it('takes values and defaults, and cannot be changed afterwards', () => {
    const config = readConfig(settings, { NAME: 'x', LOUD: '1', PORT: '' });

    assert.deepEqual({ ...config }, { port: 5, loud: true, name: 'x' });
    assert.throws(() => Object.assign(config, { port: 7 }), TypeError);
  });

  it('reports every problem at once, by variable', () => {
    assert.throws(
      () => readConfig(settings, { PORT: '10', LOUD: 'yes' }),
      (error: unknown) => {
        assert.ok(error instanceof TowlineError && error.code === 'config_invalid');
        for (const text of [
          '3 problem',
          'PORT: must be a whole number from 1 to 9',
          'LOUD: must be true or false',
          'NAME: must be given',
        ]) {
          assert.ok(error.message.includes(text), error.message);
        }
        return true;
      },
    );
  });

  for (const bad of ['1.5', '-1', '0x2', '1e1', ' 3', 'NaN', '3;']) {
    it(`does not take ${JSON.stringify(bad)} for a number`, () => {
      assert.throws(() => readConfig({ port: settings.port }, { PORT: bad }), TowlineError);
    });
  }

  it('documents each setting in a row', () => {
    assert.match(settingsTable(settings), /\| `PORT` \| 5 \| The port\. \|/);
  });
});
