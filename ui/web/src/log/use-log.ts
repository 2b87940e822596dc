import { useEffect, useRef, useState } from 'preact/hooks';
import { LogBuffer } from './log-buffer.ts';
import { followLog, type LogPlace, type LogState } from './log-source.ts';

export interface Log {
  buffer: LogBuffer;
  state: LogState;
  /** Goes up with every change of the buffer. */
  version: number;
  /** How many shown lines the last change added. */
  added: number;
  setFilter: (functionName: string | null) => void;
}

/** The growing log of one place. */
export function useLog(place: LogPlace): Log {
  const buffer = useRef(new LogBuffer());
  const [state, setState] = useState<LogState>('loading');
  const [change, setChange] = useState({ version: 0, added: 0 });
  useEffect(() => {
    buffer.current = new LogBuffer();
    setState('loading');
    return followLog(place, {
      start: () => {
        buffer.current = new LogBuffer();
        setChange((old) => ({ version: old.version + 1, added: 0 }));
      },
      lines: (lines) => {
        const added = buffer.current.append(lines);
        setChange((old) => ({ version: old.version + 1, added }));
      },
      state: setState,
    });
  }, [place.text]);
  const setFilter = (functionName: string | null) => {
    buffer.current.setFilter(functionName);
    setChange((old) => ({ version: old.version + 1, added: 0 }));
  };
  return { buffer: buffer.current, state, ...change, setFilter };
}
