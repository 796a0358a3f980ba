import { Container } from '@mantine/core';

import { PageButton } from '../parts/link';
import { Empty, Failure } from '../parts/page';
import { t } from '../texts';

export const Missing = () => <Empty title={t.error.missing} fix={t.error.missingFix} action={<PageButton to="/">{t.error.home}</PageButton>} />;

export const Broken = ({ error }: { error: unknown }) => (
  <Container py="xl" size="sm">
    <Failure error={error instanceof Error ? error : new Error(String(error))} retry={() => location.reload()} />
  </Container>
);
