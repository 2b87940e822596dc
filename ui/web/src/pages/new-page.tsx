import { pagePaths } from '../../../../core/paths.ts';
import { Page } from '../components/page.tsx';
import { me } from '../data/store.ts';
import { FirstFunction } from './first-function.tsx';

export function NewPage() {
  const owner = me.value?.identity.owner ?? '';
  return (
    <Page
      title="New function"
      trail={[{ text: owner, href: pagePaths.owner(owner) }, { text: 'New function' }]}
    >
      <FirstFunction owner={owner} />
    </Page>
  );
}
