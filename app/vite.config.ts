import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  base: "./",
  // The page gets voxels, never DICOM: the renderer's parser, a third of the bundle, is left out.
  resolve: { alias: { dcmjs: here("src/render/no-dicom.ts") } },
  worker: { format: "es" },
  build: {
    target: "es2022",
    outDir: here("../sam_pet/app/static"),
    emptyOutDir: true,
    chunkSizeWarningLimit: 4000,
    modulePreload: false,
    rolldownOptions: {
      output: {
        entryFileNames: "page.js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
});
