import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** A disclosure with a list under it; Escape, a choice and a click elsewhere close it. */
export function Menu({
  label,
  children,
  text,
}: {
  label: string;
  text: ComponentChildren;
  children: ComponentChildren;
}) {
  const element = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      const details = element.current;
      if (!details?.open) return;
      const inside = details.contains(event.target as Node);
      const chosen = (event.target as Element).closest?.('a, button');
      if (event.type === 'click' && inside && !chosen) return;
      if (event instanceof KeyboardEvent && event.key !== 'Escape') return;
      details.open = false;
      if (event instanceof KeyboardEvent) details.querySelector('summary')?.focus();
    };
    document.addEventListener('click', close);
    document.addEventListener('keydown', close);
    return () => {
      document.removeEventListener('click', close);
      document.removeEventListener('keydown', close);
    };
  }, []);
  return (
    <details class="menu" ref={element}>
      <summary aria-label={label} title={label}>
        {text}
      </summary>
      <div class="menu-list">{children}</div>
    </details>
  );
}
