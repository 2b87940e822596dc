/** The keys of a YAML text stand out; the rest is as written. */
export function YamlText({ text }: { text: string }) {
  const lines = text.replace(/\n$/, '').split('\n');
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must take the keyboard
    <section class="yaml" tabIndex={0} aria-label="Manifest">
      <pre>
        {lines.map((line, index) => {
          const [, indent = '', key = '', rest = line] = /^(\s*(?:- )?)([\w./-]+:)(.*)$/.exec(line) ?? [];
          return (
            <span key={`${index} ${line}`}>
              {indent}
              {key && <span class="yaml-key">{key}</span>}
              {rest}
              {'\n'}
            </span>
          );
        })}
      </pre>
    </section>
  );
}
