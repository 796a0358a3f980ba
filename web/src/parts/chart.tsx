/** A chart that knows the theme, with its data as a table for those who cannot see it. */
import { Box, useComputedColorScheme, VisuallyHidden } from '@mantine/core';
import { BarChart, LineChart } from 'echarts/charts';
import { AriaComponent, GridComponent, MarkAreaComponent, TooltipComponent } from 'echarts/components';
import { init, use as register, type EChartsCoreOption } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';

register([LineChart, BarChart, GridComponent, TooltipComponent, MarkAreaComponent, AriaComponent, SVGRenderer]);

interface Props {
  label: string;
  option: EChartsCoreOption;
  height?: number;
  /** What the chart shows, as rows of texts. */
  rows: [string, string][];
}

export default function Chart({ label, option, height = 200, rows }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  useEffect(() => {
    if (!box.current) return undefined;
    const chart = init(box.current, scheme === 'dark' ? 'dark' : undefined, { renderer: 'svg' });
    chart.setOption({ backgroundColor: 'transparent', animation: false, ...option });
    const watch = new ResizeObserver(() => chart.resize());
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      chart.dispose();
    };
  }, [option, scheme]);
  return (
    <figure style={{ margin: 0 }} aria-label={label}>
      <Box ref={box} h={height} aria-hidden />
      <VisuallyHidden>
        <table>
          <caption>{label}</caption>
          <tbody>
            {rows.map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{value}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </VisuallyHidden>
    </figure>
  );
}
