import { Page } from '../components/page.tsx';

export function NotFoundPage() {
  return (
    <Page title="Not found" trail={[{ text: 'Not found' }]}>
      <p>There is no page at this address.</p>
      <p>
        <a href="/">All your functions</a>
      </p>
    </Page>
  );
}
