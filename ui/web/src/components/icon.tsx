/** Outlines on a 16 × 16 grid, stroked in the current colour. Always beside a word or in a labelled control. */
const outlines = {
  check: 'M3 8.5l3.2 3.2L13 4.8',
  ok: 'M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 0 0 0-12.5zM5.3 8.2l1.9 1.9 3.6-4',
  failed: 'M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 0 0 0-12.5zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4',
  busy: 'M8 1.75a6.25 6.25 0 1 1-6.25 6.25',
  queued: 'M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 0 0 0-12.5zM8 4.75V8l2.2 1.6',
  warning: 'M8 2.2l6.3 11.3H1.7zM8 6.4v3.2M8 11.6v.1',
  asleep: 'M13.6 9.7A6 6 0 0 1 6.3 2.4a6 6 0 1 0 7.3 7.3z',
  held: 'M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 0 0 0-12.5zM6.5 5.8v4.4M9.5 5.8v4.4',
  back: 'M5.8 3.2L2.6 6.4l3.2 3.2M3 6.4h6.4a3.6 3.6 0 0 1 0 7.2H6.2',
  trash: 'M2.5 4.25h11M6.25 4V2.5h3.5V4M4 4.25l.6 9.25h6.8l.6-9.25M6.6 6.8v4M9.4 6.8v4',
  skipped: 'M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 0 0 0-12.5zM5.2 8h5.6',
  copy: 'M5.5 5.5h7.75v7.75H5.5zM10.5 5.25v-2.5h-7.75v7.75h2.5',
  open: 'M6.5 3H3v10h10V9.5M9.5 2.75h3.75V6.5M13 3L7.5 8.5',
  sun: 'M8 5.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 0 0 0-5.6zM8 1.2v1.4M8 13.4v1.4M1.2 8h1.4M13.4 8h1.4M3.2 3.2l1 1M11.8 11.8l1 1M3.2 12.8l1-1M11.8 4.2l1-1',
  system: 'M2 3h12v8H2zM5.5 13.5h5M8 11v2.5',
  branch:
    'M4.5 5v6M4.5 2.2a1.4 1.4 0 1 0 0 2.8a1.4 1.4 0 0 0 0-2.8zM4.5 11a1.4 1.4 0 1 0 0 2.8a1.4 1.4 0 0 0 0-2.8zM11.5 2.2a1.4 1.4 0 1 0 0 2.8a1.4 1.4 0 0 0 0-2.8zM11.5 5v.5a3 3 0 0 1-3 3h-1a3 3 0 0 0-3 2.5',
  commit: 'M8 5.4a2.6 2.6 0 1 0 0 5.2a2.6 2.6 0 0 0 0-5.2zM1.2 8h4.2M10.6 8h4.2',
  download: 'M8 2v8M4.75 7L8 10.25 11.25 7M2.5 13.5h11',
  down: 'M4 6l4 4 4-4',
  right: 'M6 4l4 4-4 4',
  end: 'M8 2.5v8M4.5 7L8 10.5 11.5 7M3 13.5h10',
  wrap: 'M2 3.5h12M2 8h9.5a2.25 2.25 0 0 1 0 4.5H8.5M10 10.75L8.25 12.5 10 14.25M2 12.5h3',
  person: 'M8 2.2a2.8 2.8 0 1 0 0 5.6a2.8 2.8 0 0 0 0-5.6zM2.6 13.8a5.4 5.4 0 0 1 10.8 0',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 0 0 0-9zM10.3 10.3l3.2 3.2',
  close: 'M4 4l8 8M12 4l-8 8',
  plus: 'M8 3v10M3 8h10',
  help: 'M8 1.75a6.25 6.25 0 1 0 0 12.5a6.25 6.25 0 0 0 0-12.5zM6.2 6.3a1.8 1.8 0 1 1 2.6 1.6c-.5.3-.8.6-.8 1.2M8 11.1v.1',
} as const;

export type IconName = keyof typeof outlines;

export function Icon({ name, class: extra = '' }: { name: IconName; class?: string }) {
  return (
    <svg class={`icon ${extra}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={outlines[name]} />
    </svg>
  );
}
