/** Tabs of a page; the one that is open stands in the address, unless it is the first. */
import { Tabs as Mantine } from '@mantine/core';
import type { ReactNode } from 'react';

import { useUrl } from './url';

export interface Tab {
  name: string;
  title: string;
  content: ReactNode;
}

export function Tabs({ tabs }: { tabs: Tab[] }) {
  const [url, change] = useUrl();
  const first = tabs[0]?.name;
  return (
    <Mantine value={url.tab ?? first} onChange={(tab) => change({ tab: tab === first ? null : tab })} keepMounted={false}>
      <Mantine.List mb="md">
        {tabs.map(({ name, title }) => (
          <Mantine.Tab key={name} value={name}>
            {title}
          </Mantine.Tab>
        ))}
      </Mantine.List>
      {tabs.map(({ name, content }) => (
        <Mantine.Panel key={name} value={name}>
          {content}
        </Mantine.Panel>
      ))}
    </Mantine>
  );
}
