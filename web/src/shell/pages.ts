/** What the navigation leads to, and the scope that each page needs. */
import { IconActivity, IconBuilding, IconChecklist, IconHeartbeat, IconHome, IconMail, IconUsers, type Icon } from '@tabler/icons-react';

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
  { to: '/accounts', label: t.nav.accounts, icon: IconBuilding, scope: 'profiles:read', group: t.groups.customers },
];

/** The pages that work for a user. */
export const reachable = (user: User) => entries.filter((entry) => user.scopes.includes(entry.scope) && (entry.own || !user.own_accounts_only));

/** Icons that more than one place uses. */
export const icons = { task: IconChecklist, health: IconHeartbeat, message: IconMail, person: IconUsers, event: IconActivity };
