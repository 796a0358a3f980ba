/** The frame of every page: navigation, workspace, search, the user. */
import { AppShell, Avatar, Burger, Group, Image, Menu, NavLink, ScrollArea, Text, UnstyledButton, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconBook, IconDeviceDesktop, IconLogout, IconMoon, IconShieldLock, IconSun } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect } from 'react';

import { api, read } from '../api/client';
import { signOut, whoami, type User } from '../api/session';
import { t } from '../texts';
import { type NavEntry, reachable } from './pages';
import { SearchButton } from './search-button';

const Palette = lazy(() => import('./palette'));

export function Shell() {
  const { data: user } = useQuery(whoami);
  const navigate = useNavigate();
  const [opened, { toggle, close }] = useDisclosure(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(close, [path, close]);
  useEffect(() => {
    if (user === null) void navigate({ to: '/sign-in' as never, search: { next: path } as never });
  }, [user, navigate, path]);
  if (!user) return null;
  return (
    <AppShell header={{ height: 54 }} navbar={{ width: 226, breakpoint: 'sm', collapsed: { mobile: !opened } }} padding="lg">
      <a className="skip" href="#content">
        {t.skip}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t.shell.menu} />
            <Workspace own={user.own_accounts_only} />
          </Group>
          <Group gap="sm" wrap="nowrap">
            <SearchButton />
            <UserMenu user={user} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={t.shell.nav}>
        <ScrollArea type="never" style={{ flex: 1 }}>
          <Navigation user={user} path={path} />
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <Outlet />
      </AppShell.Main>
      <Suspense>
        <Palette user={user} />
      </Suspense>
    </AppShell>
  );
}

function Workspace({ own }: { own: boolean }) {
  const { data } = useQuery({ queryKey: ['workspace'], queryFn: () => read(api.GET('/api/v1/workspace')), enabled: !own, refetchInterval: 15_000 });
  return (
    <Group gap={10} wrap="nowrap">
      <Image src="/tenure.svg" alt="" w={26} h={26} />
      <Text fw={650} truncate maw={{ base: 120, sm: 260 }}>
        {data?.name ?? t.product}
      </Text>
    </Group>
  );
}

function Navigation({ user, path }: { user: User; path: string }) {
  const entries = reachable(user);
  const groups = [...new Set(entries.map((entry) => entry.group))];
  return groups.map((group) => (
    <nav key={group} aria-label={group || t.shell.nav}>
      {group && (
        <Text size="xs" fw={600} c="dimmed" px="sm" pt="md" pb={4}>
          {group}
        </Text>
      )}
      {entries
        .filter((entry) => entry.group === group)
        .map((entry) => (
          <Entry key={entry.to} entry={entry} active={entry.to === '/' ? path === '/' : path.startsWith(entry.to)} />
        ))}
    </nav>
  ));
}

const NAV_STYLE = { root: { borderRadius: 'var(--mantine-radius-md)', paddingBlock: 7 } };

function Entry({ entry, active }: { entry: NavEntry; active: boolean }) {
  return (
    <NavLink
      renderRoot={(props) => <Link to={entry.to as never} {...props} aria-current={active ? 'page' : undefined} />}
      label={entry.label}
      active={active}
      variant="light"
      color="tenure"
      leftSection={<entry.icon size={18} stroke={1.7} aria-hidden />}
      styles={NAV_STYLE}
    />
  );
}

function UserMenu({ user }: { user: User }) {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const schemes = [
    { name: 'light', label: t.shell.light, icon: IconSun },
    { name: 'dark', label: t.shell.dark, icon: IconMoon },
    { name: 'auto', label: t.shell.auto, icon: IconDeviceDesktop },
  ] as const;
  return (
    <Menu position="bottom-end" width={220} shadow="md">
      <Menu.Target>
        <UnstyledButton aria-label={user.name}>
          <Avatar name={user.name} color="tenure" radius="xl" size={32} variant="filled" />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {user.name} · {user.role}
        </Menu.Label>
        <Menu.Item leftSection={<IconShieldLock size={16} />} renderRoot={(props) => <Link to={'/security' as never} {...props} />}>
          {t.shell.security}
        </Menu.Item>
        <Menu.Item leftSection={<IconBook size={16} />} component="a" href="/docs" target="_blank">
          {t.shell.api}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Label>{t.shell.appearance}</Menu.Label>
        {schemes.map((scheme) => (
          <Menu.Item key={scheme.name} leftSection={<scheme.icon size={16} />} onClick={() => setColorScheme(scheme.name)} fw={colorScheme === scheme.name ? 650 : undefined}>
            {scheme.label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void signOut()}>
          {t.shell.signOut}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
