/** Every address of the console. Each page is a file of its own, loaded when it is first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';

import { queries } from './api/queries';
import { whoami } from './api/session';
import { Broken, Missing } from './shell/faults';
import { Shell } from './shell/shell';
import { texts } from './parts/url';

const root = createRootRoute({ validateSearch: texts, errorComponent: Broken, notFoundComponent: Missing });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  component: lazyRouteComponent(() => import('./pages/sign-in')),
});

/** Everything behind it needs somebody signed in. */
const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: Shell,
  beforeLoad: async ({ location }) => {
    const user = await queries.ensureQueryData(whoami);
    if (!user) throw redirect({ to: '/sign-in', search: { next: location.href } as never });
  },
});

type Load = Parameters<typeof lazyRouteComponent>[0];

const page = (path: string, load: Load) => createRoute({ getParentRoute: () => shell, path, component: lazyRouteComponent(load) });

const pages = [
  page('/', () => import('./pages/home')),
  page('/accounts', () => import('./pages/accounts')),
  page('/accounts/$id', () => import('./pages/account')),
  page('/tasks', () => import('./pages/tasks')),
  page('/people', () => import('./pages/people')),
  page('/people/$id', () => import('./pages/person')),
  page('/segments', () => import('./pages/segments')),
  page('/segments/$name', () => import('./pages/segment')),
  page('/programs', () => import('./pages/programs')),
  page('/programs/$name', () => import('./pages/program')),
  page('/decisions', () => import('./pages/decisions')),
  page('/dead-letters', () => import('./pages/dead-letters')),
  page('/security', () => import('./pages/security')),
];

export const router = createRouter({
  routeTree: root.addChildren([signIn, shell.addChildren(pages)]),
  defaultPreload: 'intent',
  defaultErrorComponent: Broken,
  scrollRestoration: true,
});
