import { Icon } from './icon.tsx';

interface FilterFieldProps {
  label: string;
  text: string;
  setText: (text: string) => void;
}

/** The `/` key comes here. */
export function FilterField({ label, text, setText }: FilterFieldProps) {
  return (
    <label class="filter">
      <span class="sr-only">{label}</span>
      <Icon name="search" />
      <input
        type="search"
        data-key="/"
        placeholder={label}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </label>
  );
}
