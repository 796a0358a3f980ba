import { expect, test } from '@playwright/test';

import { expectNoBarriers, signIn } from './console';
import { demo, type Server } from './servers';

let server: Server;
test.beforeAll(async () => {
  server = await demo();
});
test.afterAll(() => server.stop());

test('a segment is written by clauses and by text, counted while written, and published', async ({ page }) => {
  await signIn(page, server);
  await page.goto(`${server.url}/segments/new`);
  await page.getByRole('textbox', { name: 'Name' }).fill('large-accounts');
  await page.getByText('As clauses').click();
  await page.getByRole('button', { name: 'Add a clause' }).click();
  await expect(page.getByText(/match now/)).toBeVisible();
  await page.getByText('As text').click();
  const editor = page.getByRole('textbox', { name: 'Condition' });
  await expect(editor).toContainText('mrr >= 1000');
  await editor.fill('mrr >= 100 and foo(1)');
  await expect(page.getByText(/there is no function `foo`/).first()).toBeVisible();
  await editor.fill('mrr >= 100');
  await expect(page.getByText(/match now/)).toBeVisible();
  await page.getByRole('button', { name: 'Publish' }).click();
  await expect(page.getByText('Members now')).toBeVisible();
});

test('a program is changed, seen on the canvas, and published', async ({ page }) => {
  await signIn(page, server);
  await page.goto(`${server.url}/programs/new`);
  await expect(page.getByText('Call {{ account.name }}').first()).toBeVisible();
  await page.getByRole('button', { name: 'Publish' }).click();
  await expect(page).toHaveURL(/programs\/new-program/);
  await expect(page.getByRole('heading', { name: 'new-program' })).toBeVisible();
});

for (const scheme of ['light', 'dark'] as const) {
  test(`no page has barriers, ${scheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    await signIn(page, server);
    for (const path of ['/', '/tasks?who=all', '/accounts', '/people', '/segments', '/segments/new', '/programs', '/programs/feature-adoption', '/decisions', '/dead-letters', '/security']) {
      await page.goto(server.url + path);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await page.waitForLoadState('networkidle');
      await test.step(path, () => expectNoBarriers(page));
    }
  });
}
