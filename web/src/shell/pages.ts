/** What the navigation leads to, and the scope that each page needs. */
import { IconBuilding, IconChecklist, IconFilter, IconHome, IconMailX, IconRoute, IconScale, IconUsers, type Icon } from '@tabler/icons-react';

import type { User } from '../api/session';
import { t } from '../texts';

export interface NavEntry {
  to: string;
  label: string;
  icon: Icon;
  scope: string;
  group: string;
  /** Works for people who reach accounts of their own only. */
  own?: boolean;
}

export const entries: NavEntry[] = [
  { to: '/', label: t.nav.home, icon: IconHome, scope: 'profiles:read', group: '' },
  { to: '/tasks', label: t.nav.tasks, icon: IconChecklist, scope: 'profiles:read', group: '', own: true },
  { to: '/accounts', label: t.nav.accounts, icon: IconBuilding, scope: 'profiles:read', group: t.groups.customers },
  { to: '/people', label: t.nav.people, icon: IconUsers, scope: 'profiles:read', group: t.groups.customers },
  { to: '/segments', label: t.nav.segments, icon: IconFilter, scope: 'definitions:read', group: t.groups.customers },
  { to: '/programs', label: t.nav.programs, icon: IconRoute, scope: 'definitions:read', group: t.groups.engagement },
  { to: '/decisions', label: t.nav.decisions, icon: IconScale, scope: 'messages:read', group: t.groups.engagement },
  { to: '/dead-letters', label: t.nav.deadLetters, icon: IconMailX, scope: 'admin', group: t.groups.operations },
];

/** The pages that work for a user. */
export const reachable = (user: User) => entries.filter((entry) => user.scopes.includes(entry.scope) && (entry.own || !user.own_accounts_only));
