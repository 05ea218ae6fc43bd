# CUPTI, which traces kernels: its headers, and where its library lies here; it is opened at run time, never linked.
if(TESSERA_WITH_CUDA)
  set(cupti_folders ${CUDAToolkit_LIBRARY_ROOT}/extras/CUPTI ${CUDAToolkit_BIN_DIR}/../extras/CUPTI)
  find_path(TESSERA_CUPTI_INCLUDE_DIR cupti_activity.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${cupti_folders} PATH_SUFFIXES include
            NO_DEFAULT_PATH DOC "Folder of CUPTI's headers")
  find_library(TESSERA_CUPTI_LIBRARY cupti HINTS ${CUDAToolkit_LIBRARY_DIR} ${cupti_folders} PATH_SUFFIXES lib64 lib
               NO_DEFAULT_PATH DOC "CUPTI, opened at run time where it is still there")
endif()

# Gives the target bench/kernel_trace.h: by CUPTI, or the one that says that this build has none.
function(tessera_trace_kernels target)
  target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/bench/busy_time.cpp)
  if(NOT TESSERA_CUPTI_INCLUDE_DIR)
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/bench/kernel_trace_absent.cpp)
    return()
  endif()
  target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/bench/kernel_trace_cupti.cpp)
  target_include_directories(${target} SYSTEM PRIVATE ${TESSERA_CUPTI_INCLUDE_DIR} ${CUDAToolkit_INCLUDE_DIRS})
  target_compile_definitions(${target} PRIVATE
    "TESSERA_CUPTI_LIBRARY=\"$<$<BOOL:${TESSERA_CUPTI_LIBRARY}>:${TESSERA_CUPTI_LIBRARY}>\"")
  # The runtime that the kernels have: of two, one would know no kernel.
  target_link_libraries(${target} PRIVATE $<IF:$<BOOL:${TESSERA_WITH_PTX}>,tessera_cudart,CUDA::cudart_static> ${CMAKE_DL_LIBS})
endfunction()
