import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// While developing, the API is that of a running server: `make dev` or `tenure demo`.
const server = process.env.TENURE_URL ?? 'http://127.0.0.1:8080';
const proxied = ['/api', '/console', '/v1', '/docs'];

export default defineConfig({
  plugins: [react()],
  build: { manifest: true, target: 'es2022', modulePreload: { polyfill: false }, chunkSizeWarningLimit: 1200 },
  server: { proxy: Object.fromEntries(proxied.map((path) => [path, { target: server, changeOrigin: false }])) },
});
