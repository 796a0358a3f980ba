import { expect, test } from '@playwright/test';

import { expectNoBarriers, signIn } from './console';
import { demo, type Server } from './servers';

let server: Server;
test.beforeAll(async () => {
  server = await demo();
});
test.afterAll(() => server.stop());

test('somebody signs in, finds an account, and signs out', async ({ page }) => {
  await page.goto(`${server.url}/accounts`);
  await expect(page.getByRole('heading', { name: 'Sign in to Tenure' })).toBeVisible();
  await expectNoBarriers(page);
  await page.getByLabel('E-mail address').fill(server.email);
  await page.locator('input[name=password]').fill('wrong password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('alert')).toContainText('wrong');
  await page.locator('input[name=password]').fill(server.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('heading', { name: 'Accounts' })).toBeVisible();
  await page.getByRole('table').getByRole('link').first().click();
  await expect(page.getByText('Why this score')).toBeVisible();
  await page.getByRole('button', { name: 'Dana Osei' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { name: 'Sign in to Tenure' })).toBeVisible();
});

test('the command palette leads to a page', async ({ page }) => {
  await signIn(page, server);
  await page.waitForLoadState('networkidle');
  await page.keyboard.press('Control+k');
  await page.getByPlaceholder('Go to or find…').fill('accou');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/accounts/);
});

test('the server keeps scripts of others out and old addresses working', async ({ page, request }) => {
  const answer = await request.get(server.url, { headers: { accept: 'text/html' } });
  expect(answer.headers()['content-security-policy']).toContain("script-src 'self'");
  const unknown = await request.get(`${server.url}/api/v1/nothing`, { headers: { accept: 'text/html' } });
  expect(unknown.status()).toBe(404);
  const problems: string[] = [];
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await signIn(page, server);
  await page.goto(`${server.url}/accounts`);
  await expect(page.getByRole('table').getByRole('link').first()).toBeVisible();
  expect(problems.filter((text) => text.includes('Content Security Policy'))).toEqual([]);
});
