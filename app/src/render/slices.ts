/** Fused slices by Cornerstone3D: three planes of one PET/CT. */

import {
  cache,
  Enums,
  init,
  RenderingEngine,
  utilities,
  volumeLoader,
  type PlanarViewport,
  type Types,
} from "@cornerstonejs/core";
import type { Grid, Vec3 } from "../data/grid";
import { PLANES, type PlaneName } from "../data/planes";
import type { Volume } from "../data/volume";
import { HOT, type Look } from "./look";

const ORIENTATIONS = {
  axial: Enums.OrientationAxis.AXIAL,
  coronal: Enums.OrientationAxis.CORONAL,
  sagittal: Enums.OrientationAxis.SAGITTAL,
} as const;
let started = false;
let opened = 0;

/**
 * The renderer draws on the CPU: a slice at a time, which is faster than a 3-D texture without a graphics card, needs no
 * memory of one, and shows the same everywhere.
 */
function start(): void {
  if (started) return;
  started = true;
  init({
    debug: { statsOverlay: false },
    rendering: {
      planar: {
        renderBackend: Enums.RenderBackends.CPU,
        cpuVolume: { useViewportSamplingForLinear: false, volumeModifiedThrottleMs: 0 },
      },
    },
  });
  utilities.colormap.registerColormap({
    Name: "sam-pet-hot",
    ColorSpace: "RGB",
    RGBPoints: HOT.flat(),
  } as Types.ColormapRegistration);
}

export class Slices {
  private readonly engine: RenderingEngine;
  private readonly ids: { pet: string; ct: string | null };

  private constructor(
    private readonly grid: Grid,
    pet: Volume,
    ct: Volume | null,
    elements: Record<PlaneName, HTMLDivElement>,
  ) {
    start();
    const name = `reading-${++opened}`;
    this.ids = { pet: this.register(`${name}-pet`, pet), ct: ct && this.register(`${name}-ct`, ct) };
    this.engine = new RenderingEngine(name);
    this.engine.setViewports(
      PLANES.map((plane) => ({
        viewportId: plane.name,
        type: Enums.ViewportType.PLANAR_NEXT,
        element: elements[plane.name],
        defaultOptions: { orientation: ORIENTATIONS[plane.name], background: [0, 0, 0] as Types.Point3 },
      })),
    );
  }

  static async open(
    grid: Grid,
    pet: Volume,
    ct: Volume | null,
    elements: Record<PlaneName, HTMLDivElement>,
  ): Promise<Slices> {
    const slices = new Slices(grid, pet, ct, elements);
    for (const plane of PLANES) {
      const viewport = slices.viewport(plane.name);
      const orientation = ORIENTATIONS[plane.name];
      const { pet: hot, ct: grey } = slices.ids;
      await viewport.setDisplaySets({ displaySetId: grey ?? hot, options: { orientation } });
      if (grey) await viewport.addDisplaySet(hot, { orientation, role: "overlay" });
    }
    return slices;
  }

  close(): void {
    this.engine.destroy();
    for (const id of [this.ids.pet, this.ids.ct]) {
      if (!id) continue;
      utilities.genericViewportDisplaySetMetadataProvider.remove(id);
      cache.removeVolumeLoadObject(id);
    }
    cache.purgeCache();
  }

  present(look: Look, slope: number): void {
    for (const plane of PLANES) {
      const viewport = this.viewport(plane.name);
      const share = this.ids.ct === null || look.shown === "pet" ? 1 : look.shown === "ct" ? 0 : look.fusion;
      if (this.ids.ct)
        viewport.setDisplaySetPresentation(this.ids.ct, { voiRange: { lower: look.ct[0], upper: look.ct[1] } });
      viewport.setDisplaySetPresentation(this.ids.pet, {
        voiRange: { lower: look.suv[0] / slope, upper: look.suv[1] / slope },
        colormap: { name: "sam-pet-hot" },
        opacity: share,
      });
    }
  }

  /** Show the slice through an axial voxel. */
  show(plane: PlaneName, voxel: Vec3): void {
    const viewport = this.viewport(plane);
    viewport.setViewState({ slice: { kind: "volumePoint", sliceWorldPoint: this.world(voxel) } });
    viewport.render();
  }

  render(plane: PlaneName): void {
    this.viewport(plane).render();
  }

  resize(): void {
    this.engine.resize(true, true);
  }

  zoom(plane: PlaneName, factor: number, at?: [number, number]): void {
    const viewport = this.viewport(plane);
    viewport.setZoom(Math.min(Math.max(viewport.getZoom() * factor, 0.5), 40), at);
    viewport.render();
  }

  pan(plane: PlaneName, by: [number, number]): void {
    const viewport = this.viewport(plane);
    const [x, y] = viewport.getPan();
    viewport.setPan([x + by[0], y + by[1]]);
    viewport.render();
  }

  fit(plane: PlaneName): void {
    this.viewport(plane).resetViewState({ resetOrientation: false, resetFlip: false });
    this.viewport(plane).render();
  }

  /** The axial voxel, fractions too, under a point of a pane in CSS pixels. */
  voxel(plane: PlaneName, at: [number, number]): Vec3 {
    return this.viewport(plane)
      .canvasToWorld(at)
      .map((mm, i) => mm / this.grid.spacing[i]) as Vec3;
  }

  /** Where an axial voxel is, in CSS pixels of a pane. */
  point(plane: PlaneName, voxel: Vec3): [number, number] {
    return this.viewport(plane).worldToCanvas(this.world(voxel)) as [number, number];
  }

  private viewport(plane: PlaneName): PlanarViewport {
    return this.engine.getViewport(plane) as unknown as PlanarViewport;
  }

  /** The renderer's space: axial mm, 0 at the first voxel's centre. */
  private world(voxel: Vec3): Types.Point3 {
    return voxel.map((v, i) => v * this.grid.spacing[i]) as Types.Point3;
  }

  /** The voxels stay as they are stored; their axes are turned into the axial view. */
  private register(id: string, volume: Volume): string {
    const { stored, axial, size, spacing } = this.grid;
    const direction = [0, 0, 0, 0, 0, 0, 0, 0, 0];
    const origin: Types.Point3 = [0, 0, 0];
    axial.axes.forEach((a, i) => {
      direction[3 * a + i] = axial.flips[i] ? -1 : 1;
      origin[i] = axial.flips[i] ? (size[i] - 1) * spacing[i] : 0;
    });
    const made = volumeLoader.createLocalVolume(id, {
      scalarData: volume.data,
      dimensions: stored.size,
      spacing: stored.spacing,
      origin,
      direction: direction as unknown as Types.Mat3,
      metadata: {
        FrameOfReferenceUID: id,
        Modality: "OT",
        BitsAllocated: 16,
        BitsStored: 16,
        HighBit: 15,
        PixelRepresentation: 1,
        SamplesPerPixel: 1,
        PhotometricInterpretation: "MONOCHROME2",
        Columns: stored.size[0],
        Rows: stored.size[1],
        PixelSpacing: [stored.spacing[1], stored.spacing[0]],
        ImageOrientationPatient: direction.slice(0, 6),
        voiLut: [],
        VOILUTFunction: "LINEAR",
      } as unknown as Types.Metadata,
    });
    // Slices are cut voxel by voxel; the volume's own way leads through an object for each slice of each voxel.
    const [width, height] = stored.size;
    const { data } = volume;
    made.voxelManager!.getAtIJK = (i, j, k) => data[i + width * (j + height * k)];
    utilities.genericViewportDisplaySetMetadataProvider.add(id, { imageIds: made.imageIds, volumeId: id });
    return id;
  }
}
