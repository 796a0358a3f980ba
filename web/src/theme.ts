import { createTheme, type MantineColorsTuple } from '@mantine/core';

/** The colour of Tenure; the seventh shade has 4.5:1 against white. */
const tenure: MantineColorsTuple = ['#e6f6f5', '#cfeae8', '#a0d5d2', '#6dbfba', '#45aca7', '#2aa09a', '#159a94', '#0b7a75', '#066662', '#00524e'];

export const theme = createTheme({
  primaryColor: 'tenure',
  primaryShade: { light: 7, dark: 7 },
  colors: { tenure },
  defaultRadius: 'md',
  fontFamily: 'Inter, "Segoe UI", system-ui, -apple-system, Roboto, "Helvetica Neue", sans-serif',
  headings: { fontWeight: '650' },
  respectReducedMotion: true,
  cursorType: 'pointer',
  components: {
    Modal: { defaultProps: { overlayProps: { backgroundOpacity: 0.45, blur: 2 } } },
    Anchor: { defaultProps: { inherit: true, c: 'light-dark(var(--mantine-color-tenure-8), var(--mantine-color-tenure-4))' } },
  },
});
