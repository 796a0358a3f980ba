import { Box, Button, Code, CopyButton } from '@mantine/core';

import { t } from '../texts';

/** Code to copy. */
export const CopyBlock = ({ code }: { code: string }) => (
  <Box pos="relative">
    <Code block pe={90} tabIndex={0}>
      {code}
    </Code>
    <CopyButton value={code}>
      {({ copied, copy }) => (
        <Button size="compact-xs" variant="default" pos="absolute" top={8} right={8} onClick={copy}>
          {copied ? t.copied : t.copy}
        </Button>
      )}
    </CopyButton>
  </Box>
);
