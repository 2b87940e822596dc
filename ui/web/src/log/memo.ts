import { Component, type ComponentType, createElement, type FunctionComponent } from 'preact';

/** Draws again only when `same` says that the properties differ. */
export function memo<P extends object>(
  component: FunctionComponent<P>,
  same: (before: P, after: P) => boolean,
): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      return !same(this.props, next);
    }
    override render() {
      return createElement(component, this.props);
    }
  };
}
